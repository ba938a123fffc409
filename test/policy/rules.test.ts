import { describe, expect, it } from "vitest";
import { isFresh, isFrozenFor, type Effect } from "../../src/vault/account/frozen.ts";
import { allowing, readPolicy } from "../../src/vault/policy/rules.ts";

describe("a freeze (SECURITY S15)", () => {
  const frozen = { at: 1_000, by: "tok_froze" };
  const EFFECTS = ["change", "stop", "read", "always"] as const satisfies Effect[];
  const mayStill = (token: Partial<Parameters<typeof isFrozenFor>[0]>) =>
    EFFECTS.filter((effect) => !isFrozenFor({ id: "tok_a", kind: "ses", signed_in_at: 500, frozen, ...token }, effect));

  it("that is none stands in nobody's way", () => {
    expect(mayStill({ frozen: null })).toEqual([...EFFECTS]);
  });

  it.each<[string, Parameters<typeof mayStill>[0], Effect[]]>([
    ["a session of before does nothing", {}, ["always"]],
    ["a session of that very moment does nothing", { signed_in_at: 1_000 }, ["always"]],
    ["a fresh sign-in reads and stops", { signed_in_at: 1_001 }, ["stop", "read", "always"]],
    ["whoever froze reads", { id: "tok_froze" }, ["read", "always"]],
    [
      "whoever froze and signed in anew reads and stops",
      { id: "tok_froze", signed_in_at: 1_001 },
      ["stop", "read", "always"],
    ],
    ["a device does nothing, whenever it was signed in", { kind: "dev", signed_in_at: 2_000 }, ["always"]],
    ["a device that froze reads", { kind: "dev", id: "tok_froze" }, ["read", "always"]],
    ["an app does nothing", { kind: "app", signed_in_at: null }, ["always"]],
  ])("%s", (_what, token, may) => {
    expect(mayStill(token)).toEqual(may);
  });

  it("is over for a browser session of after it only", () => {
    expect(isFresh({ id: "a", kind: "ses", signed_in_at: 1_001 }, frozen)).toBe(true);
    expect(isFresh({ id: "a", kind: "ses", signed_in_at: null }, { ...frozen, at: -1 })).toBe(true);
    expect(isFresh({ id: "a", kind: "ses", signed_in_at: null }, frozen)).toBe(false);
  });
});

describe("a policy as it is judged by", () => {
  it("has no range that is none: it allows nobody, and refuses nobody else", () => {
    expect(readPolicy({ ip_allow: ["192.0.2.0/24", "here"] }).ip_allow).toHaveLength(1);
    expect(readPolicy({ ip_allow: ["here"] }).ip_allow).toEqual([]);
  });

  it("refuses calls that hand out credentials unless it says otherwise; on trial only where it says so", () => {
    const refuses = (allow: boolean | undefined) => {
      const rules = readPolicy({ allow_credential_endpoints: allow, warn: { allow_credential_endpoints: allow } });
      return [rules.refuses_credentials, rules.warn?.refuses_credentials];
    };
    expect([undefined, false, true].map(refuses)).toEqual([
      [true, false],
      [true, true],
      [false, false],
    ]);
  });
});

describe("one more address that need not be asked for", () => {
  const call = (path: string) => ({ key: "key_k", host: "api.example", method: "GET", path });

  it("comes last, once, and the rule stays what it was", () => {
    expect(allowing({ methods: ["GET"] }, call("/a"))).toEqual({ methods: ["GET"], allowed: [call("/a")] });
    expect(allowing({ allowed: [call("/a"), call("/b")] }, call("/a"))).toEqual({ allowed: [call("/b"), call("/a")] });
  });

  it("makes the oldest of a hundred give way", () => {
    const allowed = Array.from({ length: 100 }, (_, n) => call(`/${n}`));
    expect(allowing({ allowed }, call("/new")).allowed).toEqual([...allowed.slice(1), call("/new")]);
    expect(allowing({ allowed: allowed.slice(1) }, call("/new")).allowed).toHaveLength(100);
  });
});
