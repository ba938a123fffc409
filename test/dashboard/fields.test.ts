import { describe, expect, it } from "vitest";
import { listProviders } from "../../src/catalog/catalog.ts";
import { optionalFieldsOf, secretFieldsOf } from "../../src/catalog/provider.ts";
import { fieldsOf } from "../../src/dashboard/data/secret_fields.ts";

describe("the form for a key", () => {
  it.each(listProviders().map((provider) => [provider.name, provider] as const))(
    "of %s asks for the fields that its placement wants, and offers those that it takes",
    (_name, provider) => {
      const fields = fieldsOf(provider);
      const named = (is_optional: boolean) =>
        fields.filter(({ optional }) => optional === is_optional).map(({ name }) => name);
      expect(named(false).toSorted()).toEqual([...secretFieldsOf(provider.placement)].toSorted());
      for (const name of named(true)) expect(optionalFieldsOf(provider.placement)).toContain(name);
    },
  );
});
