import { describe, expect, it } from "vitest";
import { listProviders } from "../../src/catalog/catalog.ts";
import type { Destination } from "../../src/vault/keys/key.ts";
import { isGuarded, touchesCredentials } from "../../src/vault/policy/credential_endpoints.ts";
import { readPath } from "../../src/vault/policy/path.ts";

// Which calls would hand out a credential (SECURITY S20), by itself.

const at = (provider: string, more: Partial<Destination> = {}): Destination => ({
  provider,
  origin: "https://api.example",
  base_path: "",
  placement: { in: "bearer" },
  headers: {},
  ...more,
});
const touches = (destination: Destination, method: string, path: string, overridden = false) =>
  touchesCredentials(destination, readPath(path, true), { method, overridden });
const aws = (service: string | undefined, origin = "https://api.example") =>
  at("custom", { origin, placement: { in: "sigv4", service } as unknown as Destination["placement"] });

describe("a call that would hand out a credential", () => {
  it.each<[string, Destination, string, string]>([
    ["as it is listed", at("stripe"), "POST", "/v1/ephemeral_keys"],
    ["in other cases, and with a slash at the end", at("stripe"), "POST", "/V1/Ephemeral_Keys/"],
    ["through a gateway with a path of its own", at("stripe", { base_path: "/gw" }), "POST", "/v1/ephemeral_keys"],
    ["below a base path that is a part of it", at("stripe", { base_path: "/V1" }), "POST", "/ephemeral_keys"],
    ["by HEAD, which servers answer as GET", at("elevenlabs"), "HEAD", "/v1/user"],
    ["by any method, where any does", at("slack"), "PATCH", "/api/rtm.connect"],
    ["by one of several that are listed", at("vercel"), "GET", "/v9/projects/my-app/env"],
    ["of the provider whose API it is", at("github-oauth"), "POST", "/app/installations/42/access_tokens"],
  ])("is known %s", (_what, destination, method, path) => {
    expect(touches(destination, method, path)).toBe(true);
  });

  it.each<[string, Destination, string, string]>([
    ["another path", at("stripe"), "POST", "/v1/charges"],
    ["another method", at("elevenlabs"), "DELETE", "/v1/user"],
    ["another place", at("stripe", { base_path: "/other" }), "POST", "/x/v1/ephemeral_keys"],
    ["what a provider that nobody knows does", at("custom"), "POST", "/v1/ephemeral_keys"],
    ["the slash alone", at("stripe"), "POST", "/"],
  ])("is not %s", (_what, destination, method, path) => {
    expect(touches(destination, method, path)).toBe(false);
  });

  it("may be of any method where the method is overridden", () => {
    expect(touches(at("elevenlabs"), "DELETE", "/v1/user", true)).toBe(true);
    expect(touches(at("elevenlabs"), "DELETE", "/v1/voices", true)).toBe(false);
  });
});

describe("AWS services whose calls all share one path", () => {
  it.each(["sts", "iam", "sso", "oidc", "portal.sso", "cognito-identity"])("%s hands out credentials", (service) => {
    for (const destination of [aws(service), aws(undefined, `https://${service}.eu-west-1.amazonaws.com`)]) {
      expect(isGuarded(destination)).toBe(true);
      expect(touches(destination, "POST", "/")).toBe(true);
    }
    expect(touches(aws(`${service}-fips`), "POST", "/")).toBe(true);
  });

  it.each(["s3", "stst", "xsts", "iamx", "bedrock"])("%s does not", (service) => {
    for (const destination of [aws(service), aws(undefined, `https://${service}.eu-west-1.amazonaws.com`)]) {
      expect(isGuarded(destination)).toBe(false);
      expect(touches(destination, "POST", "/")).toBe(false);
    }
  });

  it("are known by how the call is signed: another key at such a host is none", () => {
    expect(touches(at("custom", { origin: "https://sts.amazonaws.com" }), "POST", "/")).toBe(false);
    expect(touches(aws("s3", "https://sts.amazonaws.com"), "POST", "/")).toBe(false);
  });
});

describe("a provider is read strictly", () => {
  it.each([
    ["stripe", true],
    ["github-oauth", true],
    ["custom", false],
    ["nobody", false],
  ])("%s: %j", (id, guarded) => {
    expect(isGuarded(at(id))).toBe(guarded);
  });

  it("where it lists anything, itself or by the provider whose API it is, and nowhere else", () => {
    const lists = (id: string): boolean => {
      const { credential_operations = [], same_api_as } = listProviders().find((one) => one.id === id) ?? {};
      return credential_operations.length > 0 || (same_api_as !== undefined && lists(same_api_as));
    };
    const ids = listProviders().map(({ id }) => id);
    expect(ids.filter((id) => isGuarded(at(id)))).toEqual(ids.filter(lists));
    for (const id of ids) expect([id, touches(at(id), "GET", "/nothing/of/the/sort")]).toEqual([id, false]);
  });
});
