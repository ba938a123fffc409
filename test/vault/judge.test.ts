import { describe, expect, it } from "vitest";
import { judgeToken } from "../../src/vault/policy/checks.ts";
import { judge, judgeUse, trialMeter } from "../../src/vault/policy/judge.ts";
import type { Call, Check, Denial, Standing, TokenState, Verdict } from "../../src/vault/policy/judgement.ts";
import type { Reading } from "../../src/vault/policy/limits.ts";
import type { Policy } from "../../src/vault/policy/policy.ts";
import { addressOf, readPolicy } from "../../src/vault/policy/rules.ts";

// The judgement by itself: no vault, no clock. What the rules come to over time, against a reference, is `policy_engine.test.ts`.

const NOW = Date.UTC(2027, 0, 5, 12);
const MINUTE_MS = 60_000;

const TOKEN: TokenState = {
  id: "tok_a",
  kind: "app",
  signed_in_at: null,
  expires_at: null,
  paused_at: null,
  revoked_at: null,
  frozen: null,
};
const KEY = {
  id: "key_k",
  name: "k",
  expires_at: null,
  paused_at: null,
  destination: {
    provider: "custom",
    origin: "https://api.example",
    base_path: "",
    placement: { in: "bearer" },
    headers: {},
  },
  connection: null,
} as const satisfies NonNullable<Standing["key"]>;
const CALL: Call = {
  method: "GET",
  path: "/v1/things",
  ip: "192.0.2.1",
  country: "NZ",
  overridden: false,
  direct: false,
};
const STRIPE = { ...KEY.destination, provider: "stripe", origin: "https://api.stripe.com" };
const OAUTH = { ...KEY.destination, placement: { in: "oauth", token_url: "https://id.example/token" } } as const;

const holder = (policy: Policy = {}, token: Partial<TokenState> = {}) => ({
  token: { ...TOKEN, ...token },
  rules: readPolicy(policy),
});
const standing = (policy: Policy = {}, key: Partial<NonNullable<Standing["key"]>> = {}): Standing => ({
  holders: [holder(policy)],
  key: { ...KEY, ...key },
  now: NOW,
});
const call = (more: Partial<Call> = {}): Call => ({ ...CALL, ...more });
const policyDenied = (rule: string, why: string): Denial => ({
  rule,
  code: "policy_denied",
  detail: `This token's policy (${rule}) ${why}`,
});
const NO_KEY: Denial = { rule: "keys", code: "not_found", detail: "This token reaches no key of that name." };

function refusal(verdict: Verdict): Denial | undefined {
  return verdict.verdict === "deny" ? verdict.denial : undefined;
}

/** What a meter shows that nobody has used. */
const UNUSED: Reading = {
  used: 0,
  usedOn: () => 0,
  nthLast: () => undefined,
  open: () => 0,
  spent: () => ({ today: 0, this_month: 0, open: [] }),
};
const meters =
  (readings: Record<string, Partial<Reading>> = {}) =>
  (meter: string): Reading => ({ ...UNUSED, ...readings[meter] });

describe("a token", () => {
  const freeze = { at: NOW - 5, by: "tok_thief" };
  const REVOKED = { rule: "revoked", code: "invalid_token", detail: "This token was revoked." };
  const SUPERSEDED = { rule: "superseded", code: "invalid_token", detail: "This token was replaced by later ones." };
  const EXPIRED = { rule: "expired", code: "invalid_token", detail: "This token has expired." };
  const PAUSED = { rule: "token_paused", code: "paused", detail: "This token is paused. Its owner can resume it." };
  const FROZEN = {
    rule: "frozen",
    code: "frozen",
    detail: "This vault is frozen. Its owner can sign in again to look, revoke and unfreeze.",
  };

  it.each<[string, Partial<TokenState>, object | undefined]>([
    ["that nothing speaks against", {}, undefined],
    ["that was not replaced", { superseded: false }, undefined],
    ["that ends in a millisecond", { expires_at: NOW + 1 }, undefined],
    ["that ends now", { expires_at: NOW }, EXPIRED],
    ["that has ended", { expires_at: NOW - 1 }, EXPIRED],
    ["that was paused", { paused_at: NOW }, PAUSED],
    ["of a frozen vault", { frozen: freeze }, FROZEN],
    ["that was replaced", { superseded: true }, SUPERSEDED],
    ["that was revoked", { revoked_at: NOW }, REVOKED],
    ["revoked before all", { revoked_at: 1, superseded: true, expires_at: 1, paused_at: 1, frozen: freeze }, REVOKED],
    ["replaced, then expired", { superseded: true, expires_at: 1, paused_at: 1, frozen: freeze }, SUPERSEDED],
    ["expired, then frozen", { expires_at: 1, paused_at: 1, frozen: freeze }, EXPIRED],
    ["frozen, then paused", { paused_at: 1, frozen: freeze }, FROZEN],
  ])("%s", (_what, token, denial) => {
    expect(judgeToken({ token: { ...TOKEN, ...token }, now: NOW })).toEqual(denial);
  });

  it("of a sign-in after a freeze may read and stop, and change nothing", () => {
    const token = { ...TOKEN, kind: "ses", signed_in_at: NOW, frozen: freeze } as const;
    expect(judgeToken({ token, now: NOW }, "read")).toBeUndefined();
    expect(judgeToken({ token, now: NOW }, "stop")).toBeUndefined();
    expect(judgeToken({ token, now: NOW }, "change")).toEqual(FROZEN);
    // Where nothing is said, something is changed; a call always does.
    expect(judgeToken({ token, now: NOW })).toEqual(FROZEN);
    expect(refusal(judge({ ...standing(), holders: [{ token, rules: readPolicy({}) }] }, call()))).toEqual(FROZEN);
    expect(judgeUse([{ token, rules: readPolicy({}) }], CALL, NOW, "stop")).toBeUndefined();
    expect(judgeUse([{ token, rules: readPolicy({}) }], CALL, NOW)).toEqual(FROZEN);
  });

  it("is judged for whatever it is used: those that it comes from too, by time and place", () => {
    expect(judgeUse([holder(), holder()], CALL, NOW)).toBeUndefined();
    expect(judgeUse([holder(), holder({}, { revoked_at: NOW })], CALL, NOW)).toEqual(REVOKED);
    expect(judgeUse([holder(), holder({ countries: ["FR"] })], CALL, NOW)?.rule).toBe("countries");
    // Keys, paths and counts are a call's.
    expect(
      judgeUse([holder({ keys: [], methods: [], paths: [], max_uses: 0, scopes: [] })], CALL, NOW),
    ).toBeUndefined();
  });
});

describe("a call that nothing speaks against", () => {
  it("is let through with its path as it was read, and is charged to nobody", () => {
    expect(judge(standing(), call(), meters())).toEqual({
      verdict: "allow",
      path: { raw: "/v1/things", segments: ["v1", "things"] },
      charges: [],
      would_refuse: undefined,
    });
  });

  it.each<[string, Policy, Partial<Call>, Partial<NonNullable<Standing["key"]>>]>([
    ["begins on time", { not_before: NOW }, {}, {}],
    ["from an address of the range", { ip_allow: ["198.51.100.0/24", "192.0.2.0/24"] }, {}, {}],
    ["from a country of the list", { countries: ["FR", "NZ"] }, {}, {}],
    ["with the scope", { scopes: ["vault:proxy"] }, {}, {}],
    ["with a key of the list", { keys: ["key_k"] }, {}, {}],
    ["with the one key, direct", {}, { direct: true }, {}],
    ["with a key that ends in a millisecond", {}, {}, { expires_at: NOW + 1 }],
    ["with a method of the list", { methods: ["POST", "GET"] }, {}, {}],
    ["with a path of the list", { paths: ["/b", "/v1/*"] }, {}, {}],
    ["with another method, where none is named", {}, { overridden: true }, {}],
    ["with a path that servers read in different ways, where no rule depends on it", {}, { path: "/a//b;c" }, {}],
    ["connected", {}, {}, { destination: OAUTH, connection: "connected" }],
    ["about to be connected", {}, {}, { destination: OAUTH, connection: "ready" }],
    ["a key that needs no connection, whatever stands there", {}, {}, { connection: "reconnect_required" }],
    ["what mints nothing", {}, { path: "/v1/charges", method: "POST" }, { destination: STRIPE }],
    [
      "what mints, with leave",
      { allow_credential_endpoints: true },
      { path: "/v1/ephemeral_keys", method: "POST" },
      { destination: STRIPE },
    ],
  ])("%s", (_what, policy, more, key) => {
    expect(judge(standing(policy, key), call(more), meters()).verdict).toBe("allow");
  });
});

describe("a call is refused, and told why, where", () => {
  const AMBIGUOUS = {
    rule: "target",
    code: "target_refused",
    detail: "The path has a segment that servers read in different ways.",
  };
  const NOT_ONE_KEY = { ...NO_KEY, detail: "Without /v1/proxy/{key} in front, a token must reach exactly one key." };
  const RECONNECT = {
    rule: "reconnect_required",
    code: "reconnect_required",
    detail: "k must be connected to its provider by its owner.",
  };
  const MINTS = policyDenied("allow_credential_endpoints", "does not allow calls that would mint or show credentials.");

  it.each<[string, Policy, Partial<Call>, Partial<NonNullable<Standing["key"]>>, object]>([
    [
      "it is too early",
      { not_before: NOW + 1 },
      {},
      {},
      policyDenied("not_before", "allows nothing before 2027-01-05T12:00:00.001Z."),
    ],
    [
      "the address is another",
      { ip_allow: ["198.51.100.0/24"] },
      {},
      {},
      policyDenied("ip_allow", "does not allow calls from that address."),
    ],
    [
      "the country is another",
      { countries: ["FR"] },
      {},
      {},
      policyDenied("countries", "does not allow calls from that country."),
    ],
    [
      "the client lacks the scope",
      { scopes: ["vault:write"] },
      {},
      {},
      {
        rule: "scopes",
        code: "insufficient_scope",
        detail: "This token lacks the scope vault:proxy, which calls need.",
      },
    ],
    ["the key is none of its keys", { keys: ["key_other"] }, {}, {}, NO_KEY],
    ["it names none, and its keys are not one", { keys: ["key_other"] }, { direct: true }, {}, NOT_ONE_KEY],
    [
      "the key has ended",
      {},
      {},
      { expires_at: NOW },
      { rule: "key_expired", code: "policy_denied", detail: "The key k has expired." },
    ],
    [
      "the key is paused",
      {},
      {},
      { paused_at: 1 },
      { rule: "key_paused", code: "paused", detail: "The key k is paused. Its owner can resume it." },
    ],
    ["nobody has connected it", {}, {}, { destination: OAUTH }, RECONNECT],
    [
      "its provider wants it connected again",
      {},
      {},
      { destination: OAUTH, connection: "reconnect_required" },
      RECONNECT,
    ],
    [
      "the path is none",
      {},
      { path: "/a/../b" },
      {},
      { rule: "target", code: "target_refused", detail: "The path has a dot segment." },
    ],
    [
      "a path is ambiguous below a base path",
      {},
      { path: "/a//b" },
      { destination: { ...KEY.destination, base_path: "/v1" } },
      AMBIGUOUS,
    ],
    ["a path is ambiguous and paths are ruled", { paths: ["/**"] }, { path: "/a//b" }, {}, AMBIGUOUS],
    ["a path is ambiguous and some are asked for", { ask: { paths: ["/c"] } }, { path: "/a//b" }, {}, AMBIGUOUS],
    ["a path is ambiguous and some would mint", {}, { path: "/a//b" }, { destination: STRIPE }, AMBIGUOUS],
    ["the method is another", { methods: ["POST"] }, {}, {}, policyDenied("methods", "does not allow GET.")],
    [
      "the method is overridden",
      { methods: ["GET"] },
      { overridden: true },
      {},
      policyDenied("methods", "allows no method override."),
    ],
    ["the path is another", { paths: ["/v2/**", "/b"] }, {}, {}, policyDenied("paths", "does not allow that path.")],
    ["it would mint", {}, { path: "/v1/ephemeral_keys", method: "POST" }, { destination: STRIPE }, MINTS],
    [
      "it might mint, its method being any",
      {},
      { path: "/v1/ephemeral_keys", overridden: true },
      { destination: STRIPE },
      MINTS,
    ],
  ])("%s", (_what, policy, more, key, denial) => {
    expect(judge(standing(policy, key), call(more))).toEqual({ verdict: "deny", denial });
    // One who was let through by everyone else, but whose parent would not: refused alike.
    const child = { ...standing({}, key), holders: [holder(), holder(policy)] };
    expect(refusal(judge(child, call(more)))).toEqual(denial);
  });

  it("there is no key: whatever the policy says, and by either way", () => {
    const nothing = { ...standing(), key: undefined };
    expect(judge(nothing, call())).toEqual({ verdict: "deny", denial: NO_KEY });
    expect(judge({ ...nothing, holders: [holder({ keys: ["key_k"] })] }, call())).toEqual({
      verdict: "deny",
      denial: NO_KEY,
    });
    expect(judge(nothing, call({ direct: true }))).toEqual({ verdict: "deny", denial: NOT_ONE_KEY });
  });

  it("several rules refuse: who has no right to a key hears nothing of it, and the first no is told", () => {
    const policies: Policy = {
      not_before: NOW + 1,
      ip_allow: ["198.51.100.0/24"],
      countries: ["FR"],
      scopes: ["vault:read"],
      keys: [],
      methods: ["POST"],
      paths: ["/b"],
      max_uses: 0,
    };
    const order = ["not_before", "ip_allow", "countries", "scopes", "keys", "methods", "paths", "max_uses"];
    const left = { ...policies };
    for (const rule of order) {
      expect(refusal(judge(standing(left), call(), meters()))?.rule).toBe(rule);
      delete left[rule as keyof Policy];
    }
    expect(refusal(judge(standing({ keys: [] }, { paused_at: 1 }), call()))).toEqual(NO_KEY);
    expect(refusal(judge(standing({ methods: ["POST"] }, { paused_at: 1 }), call({ path: "/.." })))?.rule).toBe(
      "key_paused",
    );
    expect(refusal(judge(standing({ methods: ["POST"] }), call({ path: "/.." })))?.rule).toBe("target");
  });
});

describe("what is counted", () => {
  const limited: Policy = { max_uses: 5, daily_quota: 3, rate: { per_second: 2, per_minute: 4 }, max_concurrent: 2 };
  const told = (readings: Partial<Reading>, policy = limited, more: Partial<Call> = {}) =>
    refusal(judge(standing(policy), call(more), meters({ tok_a: readings })));

  it.each<[string, Partial<Reading>, object | undefined]>([
    ["below every limit", { used: 4, usedOn: () => 2, open: () => 1 }, undefined],
    [
      "all uses are spent",
      { used: 5 },
      { rule: "max_uses", code: "policy_denied", detail: "This token's uses (max_uses: 5) are spent." },
    ],
    [
      "the day's are",
      { usedOn: (day) => (day === Math.floor(NOW / 86_400_000) ? 3 : 0) },
      {
        rule: "daily_quota",
        code: "rate_limited",
        detail: "This token's uses of today (daily_quota: 3) are spent.",
        retry_after_s: 43_200,
      },
    ],
    [
      "two in this second",
      { nthLast: (n) => (n === 2 ? NOW - 400 : undefined) },
      {
        rule: "rate",
        code: "rate_limited",
        detail: "This token's rate (per_second: 2) is reached.",
        retry_after_s: 1,
      },
    ],
    [
      "four in this minute",
      { nthLast: (n) => (n === 4 ? NOW - 10_500 : undefined) },
      {
        rule: "rate",
        code: "rate_limited",
        detail: "This token's rate (per_minute: 4) is reached.",
        retry_after_s: 50,
      },
    ],
    ["a second ago to the millisecond", { nthLast: (n) => (n === 2 ? NOW - 1_000 : undefined) }, undefined],
    [
      "two are under way",
      { open: () => 2 },
      {
        rule: "max_concurrent",
        code: "rate_limited",
        detail: "This token has as many calls under way as it may (max_concurrent: 2).",
        retry_after_s: 1,
      },
    ],
  ])("%s", (_what, readings, denial) => {
    expect(told(readings)).toEqual(denial);
  });

  it("of several the one is told that takes longest", () => {
    expect(told({ open: () => 2, usedOn: () => 3 })?.rule).toBe("daily_quota");
    expect(told({ open: () => 2, nthLast: () => NOW - 100 })).toMatchObject({ rule: "rate", retry_after_s: 60 });
    expect(told({ used: 5, usedOn: () => 3, open: () => 2 })?.rule).toBe("max_uses");
    const holders = [holder({ max_concurrent: 1 }), holder({ daily_quota: 1 }, { id: "tok_parent" })];
    const readings = meters({ tok_a: { open: () => 1 }, tok_parent: { usedOn: () => 1 } });
    expect(refusal(judge({ ...standing(), holders }, call(), readings))?.rule).toBe("daily_quota");
    expect(refusal(judge({ ...standing(), holders }, call(), meters({ tok_a: { open: () => 1 } })))?.rule).toBe(
      "max_concurrent",
    );
  });

  it("is not judged without meters: a call that was let through is not counted twice", () => {
    expect(judge(standing({ max_uses: 0 }), call()).verdict).toBe("allow");
    expect(judge(standing({ warn: { max_uses: 0 } }), call())).toMatchObject({ would_refuse: undefined });
  });

  it("is charged to each token that has limits, and to no other", () => {
    const holders = [
      holder({ max_uses: 5 }),
      holder({}, { id: "tok_free" }),
      holder({ rate: { per_second: 1 } }, { id: "tok_parent" }),
    ];
    expect(judge({ ...standing(), holders }, call(), meters())).toMatchObject({
      charges: [
        { meter: "tok_a", limits: { max_uses: 5 } },
        { meter: "tok_parent", limits: { rate: { per_second: 1 } } },
      ],
    });
  });

  it("a budget is judged where a call may cost something, whether or not anything else is limited", () => {
    const spent = { spent: () => ({ today: 2_000_000, this_month: 2_000_000, open: [] }) };
    const spend: Policy = { spend: { usd_per_day: 2 } };
    const denial = {
      rule: "spend",
      code: "rate_limited",
      detail: "This token's budget (usd_per_day: 2) is spent.",
      retry_after_s: 43_200,
    };
    expect(told(spent, spend, { most: 1 })).toEqual(denial);
    expect(told(spent, { ...spend, max_uses: 5 }, { most: 1 })).toEqual(denial);
    expect(told(spent, spend)).toBeUndefined();
    expect(told(spent, { max_uses: 5 }, { most: 1 })).toBeUndefined();
    expect(told({}, spend, { most: 1 })).toBeUndefined();
    // What waits longer is told, whichever it is.
    expect(told({ ...spent, used: 5 }, { ...spend, max_uses: 5 }, { most: 1 })?.rule).toBe("max_uses");
  });
});

describe("rules on trial", () => {
  const tried = (
    warn: NonNullable<Policy["warn"]>,
    more: Partial<Call> = {},
    key: Partial<NonNullable<Standing["key"]>> = {},
    readings = meters(),
  ) => {
    const verdict = judge(standing({ warn }, key), call(more), readings);
    if (verdict.verdict !== "allow") throw new Error(verdict.verdict);
    return verdict;
  };

  it.each<[string, NonNullable<Policy["warn"]>, Partial<Call>]>([
    ["not_before", { not_before: NOW + 1 }, {}],
    ["expired", { expires_at: NOW }, {}],
    ["ip_allow", { ip_allow: ["10.0.0.0/8"] }, {}],
    ["countries", { countries: ["FR"] }, {}],
    ["keys", { keys: ["key_other"] }, {}],
    ["methods", { methods: ["POST"] }, {}],
    ["paths", { paths: ["/b"] }, {}],
    ["target", { paths: ["/**"] }, { path: "/a//b" }],
    ["max_uses", { max_uses: 0 }, {}],
    ["ask", { ask: { methods: ["GET"] } }, {}],
  ])("%s would have refused a call that is let through", (rule, warn, more) => {
    expect(tried(warn, more).would_refuse?.rule).toBe(rule);
  });

  it("say what they would have said", () => {
    expect(tried({ keys: [] }).would_refuse).toEqual(NO_KEY);
    expect(tried({ ask: {} }).would_refuse).toEqual({
      rule: "ask",
      code: "approval_required",
      detail: "A person must say yes to this call first.",
    });
    expect(tried({ allow_credential_endpoints: false }).would_refuse).toBeUndefined();
  });

  it.each<[string, NonNullable<Policy["warn"]>, Partial<Call>]>([
    ["nothing", {}, {}],
    ["an end that is not yet", { expires_at: NOW + 1 }, {}],
    ["its key", { keys: ["key_k"] }, {}],
    ["its path", { paths: ["/v1/*"] }, {}],
    ["a path that no rule is about", { methods: ["GET"] }, { path: "/a//b" }],
    ["room", { max_uses: 1 }, {}],
    ["no yes for another method", { ask: { methods: ["POST"] } }, {}],
  ])("let pass what they allow: %s", (_what, warn, more) => {
    expect(tried(warn, more).would_refuse).toBeUndefined();
  });

  it("count on a meter of their own, and only what they would let through", () => {
    const trial = { meter: "tok_a~warn", limits: { max_uses: 2 } };
    expect(trialMeter("tok_a")).toBe("tok_a~warn");
    expect(tried({ max_uses: 2 })).toMatchObject({ charges: [trial] });
    expect(tried({ max_uses: 2 }, {}, {}, meters({ tok_a: { used: 9 } })).would_refuse).toBeUndefined();
    expect(tried({ max_uses: 2 }, {}, {}, meters({ "tok_a~warn": { used: 2 } }))).toMatchObject({
      charges: [],
      would_refuse: { rule: "max_uses" },
    });
    expect(tried({ max_uses: 2, methods: ["POST"] })).toMatchObject({ charges: [] });
    expect(tried({ methods: ["GET"] })).toMatchObject({ charges: [] });
    const both = judge(standing({ max_uses: 5, warn: { max_uses: 2 } }), call(), meters());
    expect(both).toMatchObject({ charges: [{ meter: "tok_a", limits: { max_uses: 5 } }, trial] });
  });

  it("of the token that is shown are told before those of its parent", () => {
    const holders = [
      holder({ warn: { methods: ["POST"] } }),
      holder({ warn: { paths: ["/b"] } }, { id: "tok_parent" }),
    ];
    const verdict = judge({ ...standing(), holders }, call(), meters());
    expect(verdict).toMatchObject({ would_refuse: { rule: "methods" } });
    holders[0] = holder({ warn: {} });
    expect(judge({ ...standing(), holders }, call(), meters())).toMatchObject({ would_refuse: { rule: "paths" } });
  });

  it("do not judge the token's own end a second time", () => {
    const holders = [holder({ warn: { methods: ["GET"] } }, { expires_at: NOW + MINUTE_MS })];
    expect(judge({ ...standing(), holders }, call(), meters())).toMatchObject({ would_refuse: undefined });
  });
});

describe("a call that needs a yes", () => {
  const asked = (ask: NonNullable<Policy["ask"]>, more: Partial<Call> = {}) =>
    judge(standing({ ask }), call(more)).verdict;
  const allowed = [{ key: "key_k", host: "api.example", method: "GET", path: "/v1/things" }];

  it.each<[string, NonNullable<Policy["ask"]>, Partial<Call>, "ask" | "allow" | "deny"]>([
    ["any call", {}, {}, "ask"],
    ["a method of the list", { methods: ["GET"] }, {}, "ask"],
    ["a method outside it", { methods: ["POST"] }, {}, "allow"],
    ["a method that no list can name", { methods: ["POST"] }, { method: "PROPFIND" }, "ask"],
    ["a method that is overridden", { methods: ["POST"] }, { overridden: true }, "deny"],
    ["a path of the list", { paths: ["/b", "/v1/*"] }, {}, "ask"],
    ["a path outside it", { paths: ["/b"] }, {}, "allow"],
    ["a method and a path: both", { methods: ["GET"], paths: ["/v1/*"] }, {}, "ask"],
    ["a method and a path: one", { methods: ["GET"], paths: ["/b"] }, {}, "allow"],
    ["that somebody allowed for good", { allowed }, {}, "allow"],
    ["that was allowed, overridden", { allowed }, { overridden: true }, "deny"],
    ["a path outside it, overridden", { paths: ["/b"] }, { overridden: true }, "allow"],
    ["that was allowed elsewhere", { allowed: [{ ...allowed[0], path: "/b" }] as typeof allowed }, {}, "ask"],
  ])("%s", (_what, ask, more, verdict) => {
    expect(asked(ask, more)).toBe(verdict);
  });

  it.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])(
    "%s can be named, so where it is not it is not asked for",
    (method) => {
      expect(asked({ methods: [method === "GET" ? "POST" : "GET"] }, { method })).toBe("allow");
    },
  );

  it("is known by key, host, method and path", () => {
    const here = { key: "key_k", host: "api.example", method: "GET", path: "/v1/things" };
    expect(addressOf(here)).toBe('["key_k","api.example","GET","/v1/things"]');
    for (const part of Object.keys(here)) {
      expect(asked({ allowed: [{ ...here, [part]: "other" }] }), part).toBe("ask");
    }
  });

  it("says whose policies ask, and all else that a yes says", () => {
    const holders = [
      holder({ ask: {}, max_uses: 1 }),
      holder({}, { id: "tok_b" }),
      holder({ ask: { methods: ["POST"] } }, { id: "tok_c" }),
      holder({ ask: { methods: ["GET"] }, warn: { methods: ["POST"] } }, { id: "tok_d" }),
    ];
    expect(judge({ ...standing(), holders }, call(), meters())).toEqual({
      verdict: "ask",
      asking: ["tok_a", "tok_d"],
      path: { raw: "/v1/things", segments: ["v1", "things"] },
      charges: [{ meter: "tok_a", limits: { max_uses: 1 } }],
      would_refuse: policyDenied("methods", "does not allow GET."),
    });
  });

  it("is refused all the same where something refuses it", () => {
    expect(refusal(judge(standing({ ask: {}, methods: ["POST"] }), call()))?.rule).toBe("methods");
  });
});

describe("whoever explains", () => {
  const heard = (given: Standing, more: Partial<Call> = {}) => {
    const checks: Check[] = [];
    judge(given, call(more), meters({ tok_a: { used: 5 } }), (check) => checks.push(check));
    return checks.map(({ rule, token_id, denial }) => `${rule} ${token_id}${denial === undefined ? "" : " no"}`);
  };

  it("hears of every check up to the first no, in order, and whose it was", () => {
    const full: Policy = {
      not_before: 1,
      ip_allow: ["192.0.2.0/24"],
      countries: ["NZ"],
      keys: ["key_k"],
      methods: ["GET"],
      paths: ["/v1/*"],
      max_concurrent: 1,
    };
    const checks = ["token", "not_before", "ip_allow", "countries"].map((rule) => `${rule} tok_a`);
    const rest = ["keys", "key", "target", "methods", "methods", "paths", "max_concurrent"].map(
      (rule) => `${rule} tok_a`,
    );
    expect(heard(standing(full))).toEqual([...checks, ...rest]);
    expect(heard(standing({ ...full, keys: [] }))).toEqual([...checks, "keys tok_a no"]);
    expect(heard(standing({ ...full, countries: [] }))).toEqual([...checks.slice(0, 3), "countries tok_a no"]);
    expect(heard(standing({ scopes: ["vault:read"] }))).toEqual(["token tok_a", "scopes tok_a no"]);
    expect(heard(standing(full), { path: "/.." })).toEqual([...checks, "keys tok_a", "key tok_a", "target tok_a no"]);
    expect(heard(standing({ ...full, max_uses: 5 }))).toEqual([...checks, ...rest, "max_uses tok_a no"]);
  });

  it("hears nothing of rules that nobody has made", () => {
    expect(heard(standing())).toEqual(["token tok_a", "key tok_a", "target tok_a"]);
    expect(heard({ ...standing(), key: undefined })).toEqual(["token tok_a", "keys tok_a no"]);
  });

  it("hears that a guarded operation was looked at", () => {
    const key = { destination: STRIPE };
    const minting = { path: "/v1/ephemeral_keys", method: "POST" };
    expect(heard(standing({}, key), minting).at(-1)).toBe("allow_credential_endpoints tok_a no");
    expect(heard(standing({ allow_credential_endpoints: true }, key), minting).at(-1)).toBe(
      "allow_credential_endpoints tok_a",
    );
  });
});

it("a fault while a path is read is a fault, and no refusal", () => {
  expect(() => judge(standing(), call({ path: undefined as unknown as string }))).toThrow(TypeError);
});
