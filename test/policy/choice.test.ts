import { describe, expect, it } from "vitest";
import { Problem } from "../../src/problem.ts";
import type { Keys } from "../../src/vault/keys/keys.ts";
import type { ApiKey } from "../../src/vault/keys/key.ts";
import type { Parts } from "../../src/vault/parts.ts";
import type { Policy } from "../../src/vault/policy/policy.ts";
import { activityWithin, isWithin, reachValue, within } from "../../src/vault/policy/reach.ts";
import { resolveKeys, resolvePolicy } from "../../src/vault/policy/resolve_policy.ts";
import { withinDevice } from "../../src/vault/policy/within.ts";
import { lifeEnd } from "../../src/vault/tokens/caller.ts";
import type { Token } from "../../src/vault/tokens/token.ts";

// What a choice of keys comes to (SECURITY S3, S4, S22), by itself: no vault, no clock.

const CREATED = Date.UTC(2027, 0, 5);
const token = (kind: Token["kind"], policy: Policy, id = "tok_a") =>
  ({ kind, id, policy, created_at: CREATED }) as Token;
const device = (policy: Policy = {}) => token("dev", policy);
const refusal = (work: () => unknown): Problem => {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof Problem) return thrown;
    throw thrown;
  }
  throw new Error("it was not refused");
};

describe("what a device mints", () => {
  const END = lifeEnd("dev", CREATED);

  it("is as it was asked for where somebody else mints", () => {
    const terms = { policy: { keys: ["x"], rate: { per_second: 99 } }, expires_at: null };
    for (const kind of ["ses", "app"] as const)
      expect(withinDevice(token(kind, { keys: ["a"] }), terms)).toEqual(terms);
  });

  it("ends with the device at the latest", () => {
    for (const [asked, ends] of [
      [null, END],
      [END + 1, END],
      [END, END],
      [END - 1, END - 1],
    ] as const) {
      expect(withinDevice(device(), { policy: {}, expires_at: asked }).expires_at).toBe(ends);
    }
  });

  it("is for keys of the device only: all of them where none are named, and none but them where some are", () => {
    const keys = (by: Policy, asked: Policy) =>
      withinDevice(device(by), { policy: asked, expires_at: null }).policy.keys;
    expect(keys({}, {})).toBeUndefined();
    expect(keys({}, { keys: ["x"] })).toEqual(["x"]);
    expect(keys({ keys: ["a", "b"] }, {})).toEqual(["a", "b"]);
    expect(keys({ keys: ["a", "b"] }, { keys: ["b"] })).toEqual(["b"]);
  });

  it.each<[string, Policy, Policy, number]>([
    ["a key that is not the device's", { keys: ["a", "b"] }, { keys: ["b", "x"] }, 1],
    ["a key that is not the device's, named first", { keys: ["a", "b"] }, { keys: ["x", "b"] }, 0],
    ["no key at all", { keys: ["a"] }, { keys: [] }, 0],
    ["no key at all, of a device that may use any", {}, { keys: [] }, 0],
    ["all keys of a device that has none", { keys: [] }, {}, 0],
  ])("is refused for %s, and the first that is wrong is named", (_what, by, policy, at) => {
    const refused = refusal(() => withinDevice(device(by), { policy, expires_at: null }));
    expect(refused).toMatchObject({
      code: "insufficient_scope",
      message: "A device mints tokens only for keys that it may use itself; they were chosen when it was approved.",
      extras: {
        rule: "parent",
        errors: [{ field: `policy.keys.${at}`, rule: "must be a key that this device may use" }],
      },
    });
  });

  it.each<[Policy["rate"], Policy["rate"], Policy["rate"]]>([
    [undefined, undefined, undefined],
    [{ per_second: 5 }, undefined, { per_second: 5 }],
    [undefined, { per_minute: 5 }, { per_minute: 5 }],
    [{ per_second: 5 }, { per_second: 4 }, { per_second: 4 }],
    [{ per_second: 3 }, { per_second: 4 }, { per_second: 3 }],
    [{ per_second: 3 }, { per_minute: 4 }, { per_second: 3, per_minute: 4 }],
    [{ per_minute: 9 }, { per_second: 2, per_minute: 10 }, { per_second: 2, per_minute: 9 }],
  ])("calls no more often than the device: %j of one with %j is %j", (asked, own, rate) => {
    const { policy } = withinDevice(device({ rate: own }), { policy: { rate: asked, max_uses: 3 }, expires_at: null });
    expect(policy).toEqual({ rate, max_uses: 3, keys: undefined });
  });
});

/** Keys of a vault by id and name, and those of a tag. */
const keys = {
  find: (ref: string) => ({ a: { id: "a" }, openai: { id: "a" }, b: { id: "b" } })[ref] as ApiKey | undefined,
  tagged: (tag: string) => ({ prod: ["a", "b"], none: [] as string[] })[tag] ?? [],
  within: (reach: ReadonlySet<string>) => ({ only: [...reach] }),
} as unknown as Keys;

describe("a policy as it is stored", () => {
  it("names keys by id, each once, in the order in which they were named", () => {
    expect(resolveKeys(keys, ["b", "openai", "a", "tag:prod"], "keys")).toEqual(["b", "a"]);
    expect(resolveKeys(keys, ["tag:prod"], "keys", new Set(["b"]))).toEqual(["b"]);
    expect(resolveKeys(keys, [], "keys")).toEqual([]);
  });

  it.each([
    ["that is not there", ["a", "x"], undefined, "x", 1],
    ["outside the caller's own", ["openai"], new Set(["b"]), "openai", 0],
    ["by a tag that none has", ["tag:none"], undefined, "tag:none", 0],
    ["by a tag none of whose keys is the caller's", ["b", "tag:prod"], new Set<string>(), "b", 0],
  ])("names no key %s", (_what, refs, among, ref, at) => {
    expect(refusal(() => resolveKeys(keys, refs, "policy.keys", among))).toMatchObject({
      code: "invalid_request",
      message: `There is no key ${ref}.`,
      extras: {
        errors: [{ field: `policy.keys.${at}`, rule: "must be the id, the name or the tag of a key that is there" }],
      },
    });
  });

  it("holds ranges in their one spelling, its rules on trial too, and not the token's own end", () => {
    const terms: Policy = { keys: ["openai"], ip_allow: ["192.0.2.77/24", "192.0.2.0/24", "::1"], methods: ["GET"] };
    const resolved = { keys: ["a"], ip_allow: ["192.0.2.0/24", "::1/128"], methods: ["GET"] };
    expect(resolvePolicy(keys, { ...terms, expires_at: 5 })).toEqual({ ...resolved, warn: undefined });
    expect(resolvePolicy(keys, { warn: { ...terms, expires_at: 5 } })).toEqual({
      keys: undefined,
      ip_allow: undefined,
      warn: { ...resolved, expires_at: 5 },
    });
    expect(() => resolvePolicy(keys, { keys: ["b"] }, new Set(["a"]))).toThrow("There is no key b.");
    expect(() => resolvePolicy(keys, { warn: { keys: ["b"] } }, new Set(["a"]))).toThrow("There is no key b.");
  });

  it.each<[Policy, string]>([
    [{ ip_allow: ["192.0.2.0/24", "here"] }, "policy.ip_allow.1"],
    [{ warn: { ip_allow: ["192.0.2.0/33"] } }, "policy.warn.ip_allow.0"],
  ])("has no range that is none: %j", (policy, field) => {
    expect(refusal(() => resolvePolicy(keys, policy))).toMatchObject({
      code: "invalid_request",
      message: `${field} is not a range of addresses.`,
      extras: { errors: [{ field, rule: "must be an IPv4 or IPv6 address, or a range in CIDR notation" }] },
    });
  });

  it.each<[Policy, string]>([
    [{ keys: ["x"] }, "policy.keys.0"],
    [{ warn: { keys: ["a", "x"] } }, "policy.warn.keys.1"],
  ])("says where a key is named that is not there: %j", (policy, field) => {
    expect(refusal(() => resolvePolicy(keys, policy)).extras.errors).toMatchObject([{ field }]);
  });
});

describe("a vault as a caller sees it who was given certain keys", () => {
  const parts = { keys, reach: null } as unknown as Parts;
  const given = token("oat", { keys: ["a", "b"] });

  it("has those keys only; one who was given all, and a device, sees all", () => {
    expect(within(parts, given)).toMatchObject({ reach: new Set(["a", "b"]), keys: { only: ["a", "b"] } });
    expect(within(parts, token("oat", {}))).toBe(parts);
    expect(within(parts, device({ keys: ["a"] }))).toBe(parts);
  });

  it.each<[string[] | null, string[] | null | undefined, boolean]>([
    [null, null, true],
    [null, ["a"], true],
    [["a", "b"], ["a"], true],
    [["a", "b"], ["a", "b"], true],
    [["a", "b"], [], true],
    [["a", "b"], ["a", "x"], false],
    [["a", "b"], null, false],
    [["a", "b"], undefined, false],
  ])("with %j, has what reaches %j: %j", (reach, reached, seen) => {
    expect(isWithin(reach && new Set(reach), reached)).toBe(seen);
  });

  it("has of the activity what was done with those keys, and what they did themselves", () => {
    const mine = within(parts, given);
    expect(activityWithin(mine, given, { outcome: "ok" })).toEqual({ outcome: "ok", within: '["tok_a","a","b"]' });
    expect(activityWithin(parts, given, { outcome: "ok" })).toEqual({ outcome: "ok" });
    expect([reachValue(null), reachValue(new Set(["a"]))]).toEqual([null, '["a"]']);
  });
});
