import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { derived } from "../../src/vault/tokens/derive_token.ts";
import { judge } from "../../src/vault/policy/judge.ts";
import type { Call, Holder, Standing } from "../../src/vault/policy/judgement.ts";
import { networkText, readNetwork, type Network } from "../../src/vault/policy/network.ts";
import type { Policy } from "../../src/vault/policy/policy.ts";
import { readPolicy } from "../../src/vault/policy/rules.ts";
import { widerFields, type Bounds } from "../../src/vault/policy/wider.ts";

const T0 = 1_800_000_000_000;

describe("a policy is wider than another", () => {
  it.each<[Bounds, Bounds, string[]]>([
    [{}, {}, []],
    [{}, { keys: ["a"], methods: ["GET"], max_uses: 1, rate: { per_second: 1 }, expires_at: T0 }, []],
    [{ keys: ["a"], methods: ["GET"], max_uses: 1 }, {}, ["keys", "methods", "max_uses"]],
    [{ keys: ["a", "b"] }, { keys: ["b"] }, []],
    [{ keys: ["a"] }, { keys: ["a", "b"] }, ["keys"]],
    [{ methods: ["GET"] }, { methods: ["GET", "POST"] }, ["methods"]],
    [{ paths: ["/v1/**"] }, { paths: ["/v1/a", "/v1/b/*", "/v1/**", "/v1"] }, []],
    [{ paths: ["/v1/*"] }, { paths: ["/v1/**"] }, ["paths"]],
    [{ paths: ["/v1/*"] }, { paths: ["/v1/a*", "/v1/*b", "/v1/*"] }, []],
    [{ paths: ["/v1/a*"] }, { paths: ["/v1/*"] }, ["paths"]],
    [{ paths: ["/*/x"] }, { paths: ["/**/x"] }, ["paths"]],
    [{ ip_allow: ["10.0.0.0/8"] }, { ip_allow: ["10.1.0.0/16", "10.2.3.4/32"] }, []],
    [{ ip_allow: ["10.0.0.0/8"] }, { ip_allow: ["10.0.0.0/7"] }, ["ip_allow"]],
    [{ ip_allow: ["10.0.0.0/8"] }, { ip_allow: ["::/0"] }, ["ip_allow"]],
    [{ paths: ["/v1/*"] }, { paths: ["/v1/a", "/v2/a"] }, ["paths"]],
    [{ paths: ["/v1/*"] }, {}, ["paths"]],
    [{ ip_allow: ["10.0.0.0/8"] }, { ip_allow: ["10.1.0.0/16", "11.0.0.0/16"] }, ["ip_allow"]],
    [{ ip_allow: ["10.0.0.0/8"] }, {}, ["ip_allow"]],
    [{ ip_allow: ["10.0.0.0/8"] }, { ip_allow: ["here"] }, ["ip_allow"]],
    [{ ip_allow: ["here"] }, { ip_allow: ["10.0.0.0/8"] }, ["ip_allow"]],
    [{ countries: ["NZ"] }, { countries: ["NZ", "AU"] }, ["countries"]],
    [{ not_before: T0 }, {}, ["not_before"]],
    [{ not_before: T0 }, { not_before: T0 - 1 }, ["not_before"]],
    [{ not_before: T0 }, { not_before: T0 + 1 }, []],
    [{ expires_at: T0 }, { expires_at: null }, ["expires_at"]],
    [{ expires_at: T0 }, { expires_at: T0 + 1 }, ["expires_at"]],
    [{ rate: { per_second: 5 } }, { rate: { per_minute: 5 } }, []],
    [{ rate: { per_second: 5 } }, { rate: { per_minute: 6 } }, ["rate"]],
    [{ rate: { per_minute: 300 } }, { rate: { per_second: 5 } }, []],
    [{ rate: { per_minute: 299 } }, { rate: { per_second: 5 } }, ["rate"]],
    [{ rate: { per_second: 5, per_minute: 50 } }, { rate: { per_second: 5 } }, ["rate"]],
    [{ daily_quota: 5, max_concurrent: 2 }, { daily_quota: 6, max_concurrent: 3 }, ["daily_quota", "max_concurrent"]],
    [{ spend: { usd_per_day: 5 } }, { spend: { usd_per_month: 5 } }, []],
    [{ spend: { usd_per_day: 5 } }, {}, ["spend"]],
    [{}, { ask: {} }, []],
    [{ ask: {} }, {}, ["ask"]],
    [{ ask: { methods: ["POST"] } }, { ask: {} }, []],
    [{ ask: {} }, { ask: { methods: ["POST"] } }, ["ask"]],
    [{ ask: { paths: ["/v1/*"] } }, { ask: { paths: ["/v1/**"] } }, []],
    [{ ask: { paths: ["/v1/**"] } }, { ask: { paths: ["/v1/*"] } }, ["ask"]],
    [{ ask: {} }, { ask: { allowed: [{ key: "k", host: "h", method: "GET", path: "/" }] } }, ["ask"]],
    [{ spend: { usd_per_month: 100 } }, { spend: { usd_per_day: 4 } }, ["spend"]],
    [{ spend: { usd_per_month: 124 } }, { spend: { usd_per_day: 4 } }, []],
    [{}, { allow_credential_endpoints: true }, ["allow_credential_endpoints"]],
    [{ allow_credential_endpoints: true }, {}, []],
  ])("%j to %j: in %j", (before, after, fields) => {
    expect(widerFields(before, after).toSorted()).toEqual(fields.toSorted());
  });
});

const globPart = fc.constantFrom("a", "b", "*", "a*", "*b", "a*b", "**", "ab");
const glob = fc.array(globPart, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
const path = fc
  .array(fc.constantFrom("a", "b", "ab", "abb", "x"), { maxLength: 4 })
  .map((parts) => `/${parts.join("/")}`);
const range = fc
  .tuple(fc.constantFrom("10.0.0.0", "10.128.0.0", "192.0.2.0", "::", "2001:db8::"), fc.integer({ min: 0, max: 32 }))
  .map(([address, bits]) => networkText(readNetwork(`${address}/${bits}`) as Network));
const some = <T>(values: readonly T[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });

const bounds: fc.Arbitrary<Policy & Bounds> = fc.record(
  {
    keys: some(["k1", "k2", "k3"]),
    methods: some(["GET", "POST", "PUT"]),
    paths: fc.array(glob, { minLength: 1, maxLength: 2 }),
    ip_allow: fc.array(range, { minLength: 1, maxLength: 2 }),
    countries: some(["NZ", "AU", "FR"]),
    not_before: fc.integer({ min: T0, max: T0 + 100 }),
    expires_at: fc.integer({ min: T0, max: T0 + 200 }),
    max_uses: fc.integer({ min: 1, max: 4 }),
    daily_quota: fc.integer({ min: 1, max: 4 }),
    max_concurrent: fc.integer({ min: 1, max: 4 }),
    rate: fc.record(
      { per_second: fc.integer({ min: 1, max: 3 }), per_minute: fc.integer({ min: 1, max: 100 }) },
      { requiredKeys: [] },
    ),
    allow_credential_endpoints: fc.boolean(),
    ask: fc.record(
      { methods: some(["GET", "POST", "PUT"]), paths: fc.array(glob, { minLength: 1, maxLength: 2 }) },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);

const asked = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT"),
  path,
  ip: fc.constantFrom("10.0.0.1", "10.200.1.1", "192.0.2.9", "2001:db8::1", "::ffff:10.0.0.1"),
  country: fc.constantFrom("NZ", "AU", "FR"),
  key: fc.constantFrom("k1", "k2", "k3"),
  provider: fc.constantFrom("custom", "openai"),
  at: fc.integer({ min: T0 - 1, max: T0 + 201 }),
});
type Asked = typeof asked extends fc.Arbitrary<infer A> ? A : never;

function holder(id: string, { expires_at = null, ...policy }: Policy & Bounds): Holder {
  const token = {
    id,
    kind: "app" as const,
    signed_in_at: null,
    expires_at,
    paused_at: null,
    revoked_at: null,
    frozen: null,
  };
  return { token, rules: readPolicy(policy) };
}

/** Does this policy by itself let the call through without anybody's yes, counts aside? */
function allows(policy: Policy & Bounds, { key: id, provider, at, ...call }: Asked): boolean {
  const destination = {
    provider,
    origin: "https://u.example",
    base_path: "",
    placement: { in: "bearer" } as const,
    headers: {},
  };
  const key = { id, name: id, expires_at: null, paused_at: null, destination, connection: null };
  const standing: Standing = { holders: [holder("t", policy)], key, now: at };
  return judge(standing, { ...call, overridden: false, direct: false } satisfies Call).verdict === "allow";
}

describe("property", () => {
  it("a policy that is not found wider allows no call that the other refuses", () => {
    fc.assert(
      fc.property(bounds, bounds, fc.array(asked, { minLength: 5, maxLength: 20 }), (before, other, calls) => {
        // Each of the other's fields by itself, and those together that are not found wider.
        const fields = Object.keys(other) as (keyof Bounds)[];
        const narrower = fields.filter(
          (field) => widerFields(before, { ...before, [field]: other[field] }).length === 0,
        );
        const after = { ...before, ...Object.fromEntries(narrower.map((field) => [field, other[field]])) };
        expect(widerFields(before, after)).toEqual([]);
        for (const call of calls)
          if (allows(after, call)) expect(allows(before, call), JSON.stringify(call)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("narrowing one field of a policy is never found wider", () => {
    fc.assert(
      fc.property(bounds, (policy) => {
        expect(widerFields(policy, policy)).toEqual([]);
        const { keys, methods, countries, max_uses, expires_at } = policy;
        const narrower = {
          ...policy,
          keys: keys?.slice(0, 1) ?? ["k1"],
          methods: methods?.slice(0, 1) ?? ["GET"],
          countries: countries?.slice(0, 1) ?? ["NZ"],
          max_uses: Math.max(1, (max_uses ?? 3) - 1),
          expires_at: (expires_at ?? T0 + 300) - 1,
        };
        expect(widerFields(policy, narrower)).toEqual([]);
      }),
    );
  });

  it("no chain of derivations widens anything: what a descendant's own policy allows, each ancestor's allows", () => {
    fc.assert(
      fc.property(
        bounds,
        fc.array(bounds, { minLength: 1, maxLength: 5 }),
        fc.array(asked, { minLength: 10, maxLength: 30 }),
        (root, wishes, calls) => {
          const chain: (Policy & Bounds)[] = [root];
          for (const wish of wishes) {
            const parent = chain.at(-1) as Policy & Bounds;
            const said = Object.fromEntries(
              Object.entries(wish).filter(([field]) => field in parent || Math.abs(field.length % 2) === 0),
            );
            const whole = { ...parent, ...said };
            // What the vault asks of every ancestor before it mints.
            if (chain.some((one) => widerFields(one, { ...one, ...said }).length > 0)) continue;
            expect(widerFields(parent, whole)).toEqual([]);
            const { policy, expires_at } = derived(parent, said);
            chain.push({ ...policy, expires_at });
          }
          for (const call of calls)
            chain.reduce((parent, child) => {
              if (allows(child, call)) expect(allows(parent, call), JSON.stringify({ parent, child, call })).toBe(true);
              return child;
            });
        },
      ),
      { numRuns: 300 },
    );
  });
});
