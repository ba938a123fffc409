import fc from "fast-check";
import { expect, it, vi } from "vitest";
import type { Problem } from "../../src/problem.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Policy, Terms } from "../../src/vault/policy/policy.ts";
import {
  type App,
  type Vault,
  authorize,
  calls,
  derive,
  evict,
  mintApp,
  newVault,
  storeKey,
  travel,
} from "../support/vault.ts";

// The reference: what the rules say, in the plainest way there is. It shares no code with the engine: every count is a walk over
// all that happened, every path an expression, every range a prefix.

type Call = { method: string; path: string; ip: string; country: string; key: string };
type Use = { at: number; open: boolean };
/** A token of the reference. `uses` are those let through, its children's too; `trial` those that its rules on trial let through. */
type Model = { policy: Bounded; parent: Model | undefined; uses: Use[]; trial: Use[] };
/** A policy as it is asked for, with the token's end. */
type Bounded = Policy & { expires_at?: number | undefined };

const WINDOWS = { per_second: 1_000, per_minute: 60_000 } as const;
const DAY_MS = 86_400_000;
const NETWORKS: Record<string, string> = { "192.0.2.0/24": "192.0.2.", "10.0.0.0/8": "10." };
const GLOBS: Record<string, RegExp> = { "/a/*": /^\/a\/[^/]*$/, "/**": /^\//, "/a/**": /^\/a(\/|$)/, "/b": /^\/b$/ };

const lineage = (model: Model): Model[] => [model, ...(model.parent === undefined ? [] : lineage(model.parent))];

function placeRule(
  { expires_at, ip_allow, countries, not_before }: Bounded,
  { ip, country }: Call,
  now: number,
): string | undefined {
  if (expires_at !== undefined && now >= expires_at) return "expired";
  if (not_before !== undefined && now < not_before) return "not_before";
  if (ip_allow?.some((range) => ip.startsWith(NETWORKS[range] ?? "?")) === false) return "ip_allow";
  return countries?.includes(country) === false ? "countries" : undefined;
}

function callRule({ methods, paths }: Terms, { method, path }: Call): string | undefined {
  if (methods?.includes(method) === false) return "methods";
  return paths?.some((glob) => GLOBS[glob]?.test(path)) === false ? "paths" : undefined;
}

function needsYes({ ask }: Terms, { method, path }: Call): boolean {
  if (ask === undefined || ask.methods?.includes(method) === false) return false;
  return ask.paths?.some((glob) => GLOBS[glob]?.test(path)) !== false;
}

/** The limits that refuse, each with how long it does. */
function limitsReached(
  { max_uses, daily_quota, rate, max_concurrent }: Terms,
  uses: Use[],
  now: number,
): [string, number][] {
  const reached: [string, number][] = [];
  if (max_uses !== undefined && uses.length >= max_uses) reached.push(["max_uses", Infinity]);
  const midnight = now - (now % DAY_MS);
  if (daily_quota !== undefined && uses.filter(({ at }) => at >= midnight).length >= daily_quota)
    reached.push(["daily_quota", midnight + DAY_MS - now]);
  for (const [name, window] of Object.entries(WINDOWS) as ["per_second" | "per_minute", number][]) {
    const most = rate?.[name];
    const within = uses.filter(({ at }) => at > now - window).map(({ at }) => at);
    // When enough of those have left the window.
    if (most !== undefined && within.length >= most)
      reached.push(["rate", (within[within.length - most] ?? 0) + window - now]);
  }
  if (max_concurrent !== undefined && uses.filter(({ open }) => open).length >= max_concurrent)
    reached.push(["max_concurrent", 1_000]);
  return reached;
}

const longest = (reached: [string, number][]) => reached.toSorted((a, b) => b[1] - a[1])[0];

type Expected =
  | { rule: string; retry_after_s: number | undefined }
  | { would_refuse: string | undefined; take: () => Use[] };

function expected(model: Model, call: Call, now: number): Expected {
  const all = lineage(model);
  const rule =
    all.map(({ policy }) => placeRule(policy, call, now)).find(Boolean) ??
    (all.some(({ policy }) => policy.keys?.includes(call.key) === false) ? "keys" : undefined) ??
    all.map(({ policy }) => callRule(policy, call)).find(Boolean);
  if (rule !== undefined) return { rule, retry_after_s: undefined };
  const limit = longest(all.flatMap(({ policy, uses }) => limitsReached(policy, uses, now)));
  if (limit !== undefined) {
    const [name, wait] = limit;
    return { rule: name, retry_after_s: wait === Infinity ? undefined : Math.max(1, Math.ceil(wait / 1_000)) };
  }
  if (all.some(({ policy }) => needsYes(policy, call))) return { rule: "ask", retry_after_s: undefined };
  const tried = all.flatMap((one) => {
    const { warn } = one.policy;
    if (warn === undefined) return [];
    const refuses =
      placeRule(warn, call, now) ??
      (warn.keys?.includes(call.key) === false ? "keys" : undefined) ??
      callRule(warn, call) ??
      longest(limitsReached(warn, one.trial, now))?.[0] ??
      (needsYes(warn, call) ? "ask" : undefined);
    return [{ one, refuses }];
  });
  const take = () => {
    const use = { at: now, open: true };
    for (const { uses } of all) uses.push(use);
    for (const { one, refuses } of tried) if (refuses === undefined) one.trial.push(use);
    return [use];
  };
  return { would_refuse: tried.find(({ refuses }) => refuses !== undefined)?.refuses, take };
}

// What is tried.

const T0 = Date.UTC(2027, 0, 5, 23, 58);
const some = <T>(...values: T[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 });
const few = fc.integer({ min: 1, max: 4 });
const terms = fc.record(
  {
    keys: some("k", "l"),
    methods: some("GET", "POST"),
    paths: some(...Object.keys(GLOBS)),
    ip_allow: some(...Object.keys(NETWORKS)),
    countries: some("NZ", "FR"),
    not_before: fc.constantFrom(T0 - 1, T0, T0 + 1_500),
    max_uses: fc.integer({ min: 1, max: 12 }),
    daily_quota: fc.integer({ min: 1, max: 8 }),
    rate: fc.oneof(
      few.map((per_second) => ({ per_second })),
      few.map((per_minute) => ({ per_minute })),
      fc.tuple(few, few).map(([per_second, per_minute]) => ({ per_second, per_minute })),
    ),
    max_concurrent: few,
    expires_at: fc.constantFrom(T0 + 1_500, T0 + 100_000),
    ask: fc.constantFrom({ methods: ["POST"] }, { paths: ["/b", "/a/*"] }, { methods: ["POST"], paths: ["/a/**"] }),
  },
  { requiredKeys: [], noNullPrototype: true },
);
/** Mostly what counts: there is more to go wrong. */
const counting = terms.map(({ max_uses, daily_quota, rate, max_concurrent }) => ({
  max_uses,
  daily_quota,
  rate,
  max_concurrent,
}));
const policy = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: counting }, { weight: 2, arbitrary: terms }),
    fc.option(fc.oneof(counting, terms), { nil: undefined }),
  )
  .map(([rules, warn]): Bounded => ({ ...rules, warn }));

const call = fc.record({
  method: fc.constantFrom("GET", "GET", "POST"),
  path: fc.constantFrom("/a/x", "/a/x/y", "/b", "/c"),
  ip: fc.constantFrom("192.0.2.1", "192.0.2.1", "10.9.9.9", "203.0.113.1"),
  country: fc.constantFrom("NZ", "NZ", "FR"),
  key: fc.constantFrom("k", "k", "l"),
});
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("calls" as const),
      token: fc.nat(5),
      call,
      times: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("end" as const), token: fc.nat(5), times: few }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 400, 999, 1_000, 20_000, 59_000, 60_000, 121_000),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "evict" as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("explain" as const), token: fc.nat(5), call }) },
);

type Running = { app: App; model: Model; open: { seq: number; use: Use }[] };

/** Three tokens under policies of their own, and a child of each that has limits of its own as well. */
async function begin(vault: Vault, policies: Bounded[], ids: Record<string, string>): Promise<Running[]> {
  const named = (given: Terms) => ({ ...given, keys: given.keys?.map((name) => ids[name] as string) });
  const running: Running[] = [];
  for (const [index, each] of policies.slice(0, 3).entries()) {
    const app = await mintApp(vault);
    const below = await derive(vault, app);
    const limits = policies[index + 3] ?? {};
    const tokens: [App, Bounded][] = [
      [app, { ...named(each), warn: each.warn && named(each.warn) }],
      // Only what it counts: a child is never wider, and that is another test's matter.
      [
        below,
        {
          max_uses: limits.max_uses,
          daily_quota: limits.daily_quota,
          rate: limits.rate,
          max_concurrent: limits.max_concurrent,
        },
      ],
    ];
    let parent: Model | undefined;
    for (const [one, wished] of tokens) {
      // A child that would be wider stays as it was derived.
      const changed = await vault.stub.changeToken(vault.ada, one.id, { policy: wished });
      const rules = changed.ok ? wished : {};
      const model: Model = { policy: rules, parent, uses: [], trial: [] };
      running.push({ app: one, model, open: [] });
      parent = model;
    }
  }
  return running;
}

it("the engine decides as the reference does, whatever is asked at once, ended, waited for or forgotten, and says when to come back", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(policy, { minLength: 6, maxLength: 6 }),
      fc.array(step, { minLength: 15, maxLength: 30 }),
      async (policies, steps) => {
        vi.setSystemTime(T0);
        const vault = await newVault();
        const ids: Record<string, string> = { k: (await storeKey(vault, "k")).id, l: (await storeKey(vault, "l")).id };
        const running = await begin(vault, policies, ids);
        for (const each of steps) {
          if (each.do === "wait") travel(each.ms);
          else if (each.do === "evict") await evict(vault);
          else {
            const one = running[each.token] as Running;
            if (each.do === "end") {
              const ended = one.open.splice(0, each.times);
              for (const { use } of ended) use.open = false;
              await ask(vault.stub.settle(ended.map(({ seq }) => ({ seq, outcome: "ok" as const }))));
            } else {
              const { key: name, ...asked } = each.call;
              const told = { ...each.call, key: ids[name] as string };
              if (each.do === "explain") {
                const wanted = expected(one.model, told, Date.now());
                const question = { ...asked, key: name, token_id: one.app.id, at: Date.now() };
                const { refusal, would_refuse } = await ask(vault.stub.explain(vault.ada, question));
                if ("rule" in wanted)
                  expect({ rule: refusal?.rule, retry_after_s: refusal?.retry_after_s }).toEqual(wanted);
                else expect([refusal, would_refuse?.rule]).toEqual([undefined, wanted.would_refuse]);
              } else await compare(vault, one, told, name, asked, each.times);
            }
          }
        }
      },
    ),
    { numRuns: 8, endOnFailure: true },
  );
}, 60_000);

/** The same call several times at once: who of them gets in does not matter, how many and why the others do not does. */
async function compare(
  vault: Vault,
  one: Running,
  told: Call,
  name: string,
  asked: Omit<Call, "key">,
  times: number,
): Promise<void> {
  const settled = await Promise.allSettled(Array.from({ length: times }, () => authorize(vault, one.app, name, asked)));
  const rows = await calls(vault);
  const through = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const refused = settled.flatMap((each) => (each.status === "rejected" ? [(each.reason as Problem).extras] : []));
  for (const dispatch of through.toSorted((a, b) => a.seq - b.seq)) {
    const wanted = expected(one.model, told, Date.now());
    if ("rule" in wanted) throw new Error(`let through, where the reference refuses by ${wanted.rule}`);
    const row = rows.find(({ seq }) => seq === dispatch.seq);
    expect(row?.decision.would_refuse).toBe(wanted.would_refuse);
    for (const use of wanted.take()) one.open.push({ seq: dispatch.seq, use });
  }
  for (const { rule, retry_after_s } of refused) {
    const wanted = expected(one.model, told, Date.now());
    if (!("rule" in wanted)) throw new Error(`refused by ${rule}, where the reference lets through`);
    expect({ rule, retry_after_s }).toEqual(wanted);
  }
}
