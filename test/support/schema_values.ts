import * as fc from "fast-check";

/** JSON Schema as zod writes it, as far as values are made from it. */
type Schema = {
  type?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  format?: string;
  minimum?: number;
  maximum?: number;
};

/** Values that mostly fit a schema, with these texts wherever a text may stand. */
export function valuesOf(schema: Schema, texts: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  const of = (one: Schema) => valuesOf(one, texts);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices !== undefined) return fc.oneof(...choices.map(of));
  switch (schema.type) {
    case "object": {
      const { properties = {}, required = [], additionalProperties } = schema;
      if (Object.keys(properties).length === 0 && typeof additionalProperties === "object")
        return fc.dictionary(texts, of(additionalProperties), { maxKeys: 2 });
      const model = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, of(one)]));
      return fc.record(model, { requiredKeys: required });
    }
    case "array":
      return fc.array(of(schema.items ?? {}), { maxLength: 2 });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "number":
    case "integer": {
      const { minimum = 0, maximum = 100 } = schema;
      return fc.integer({ min: Math.max(-10, minimum), max: Math.min(maximum, Math.max(minimum, 0) + 1_000) });
    }
    default:
      return schema.format === "date-time" ? fc.constantFrom("2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z") : texts;
  }
}
