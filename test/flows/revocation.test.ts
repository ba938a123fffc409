import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { violations, wronglyArrived, type CallSeen, type ChangeSeen } from "../support/history.ts";
import { activity, eventually, mintToken, newPerson, storeKey, type Minted, usualLocker } from "../support/locker.ts";
import { storm } from "../support/storm.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const CALLERS = 24;
const CALLS = 1_440;
const TOKENS = 8;

let locker: LocalLocker;
let upstream: Upstream;
beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

function call({ token }: Minted, path: string): Promise<Response> {
  return fetch(`${locker.proxyOrigin}/v1/proxy/k/${path}`, { headers: { authorization: `Bearer ${token}` } });
}

/** How a call was answered, to its end. One that is cut after its answer began breaks off. */
async function statusOf(answered: Promise<Response>): Promise<number | "cut"> {
  try {
    const answer = await answered;
    await answer.arrayBuffer();
    return answer.status;
  } catch (fault) {
    if (!(fault instanceof TypeError)) throw fault;
    return "cut";
  }
}

function seen(asked: number, answered: number, stops: boolean): ChangeSeen {
  return { subject: "a", asked, answered, stops };
}

describe("the check of a history", () => {
  const call = { subjects: ["a", "z"], began: 10, ended: 20, passed: true };
  it("knows what could not have been from what could", () => {
    const refused = { ...call, passed: false };
    expect(violations([call], [seen(1, 5, true)])).toEqual([call]);
    expect(violations([call], [seen(1, 15, true)])).toEqual([]);
    expect(violations([call], [seen(1, 5, true), seen(6, 9, false)])).toEqual([]);
    expect(violations([call], [seen(1, 5, true), seen(12, 30, false)])).toEqual([]);
    expect(violations([call], [seen(1, 5, true), seen(21, 30, false)])).toEqual([call]);
    expect(violations([call], [{ ...seen(1, 5, true), subject: "b" }])).toEqual([]);
    expect(violations([refused], [])).toEqual([refused]);
    expect(violations([refused], [seen(1, 5, true)])).toEqual([]);
    expect(violations([refused], [seen(15, 30, true)])).toEqual([]);
    expect(violations([refused], [seen(1, 5, true), seen(6, 9, false)])).toEqual([refused]);
    // Any of what it hangs on stops it; what was never answered may have taken effect or not.
    const other = { ...seen(1, 5, true), subject: "z" };
    expect(violations([call], [seen(6, 9, false), other])).toEqual([call]);
    expect(violations([refused], [other])).toEqual([]);
    const unknown = { ...seen(1, 5, true), unknown: true };
    expect(violations([call, refused], [unknown])).toEqual([]);
    expect(violations([call, refused], [unknown, seen(6, 9, false)])).toEqual([refused]);
    expect(violations([call, refused], [seen(1, 3, true), { ...seen(4, 6, false), unknown: true }])).toEqual([]);
  });

  it("knows what may have reached the upstream: what was let through, once, and what was cut under way", () => {
    const [passed, refused] = [
      { ...call, path: "p" },
      { ...call, path: "r", passed: false },
    ];
    expect(wronglyArrived(["p"], [passed, refused], [])).toEqual([]);
    expect(wronglyArrived(["p", "p"], [passed], [])).toEqual(["p"]);
    expect(wronglyArrived(["x"], [passed], [])).toEqual(["x"]);
    expect(wronglyArrived(["x"], [passed], [], ["x"])).toEqual([]);
    expect(wronglyArrived(["r"], [refused], [seen(1, 5, true)])).toEqual(["r"]);
    expect(wronglyArrived(["r"], [refused], [seen(12, 30, true)])).toEqual([]);
    expect(wronglyArrived(["r"], [refused], [seen(12, 30, false)])).toEqual(["r"]);
    expect(wronglyArrived(["r"], [refused], [{ ...seen(12, 30, true), subject: "b" }])).toEqual(["r"]);
  });
});

// Evictions between any two steps: test/vault/standing.test.ts.
describe("more than a thousand calls at once, with ends, pauses and resumes at random", () => {
  it("no call that begins after an end was answered is let through, and none is refused without a reason", async () => {
    const person = await newPerson(locker);
    await storeKey(person, "k", upstream.origin);
    const tokens = await Promise.all(Array.from({ length: TOKENS }, () => mintToken(person)));
    const calls: (CallSeen & { path: string })[] = [];
    const changes: ChangeSeen[] = [];
    const over = new AbortController();
    const caller = async (name: number) => {
      for (let i = 0; i < CALLS / CALLERS; i++) {
        const token = pick(tokens);
        const path = `${name}-${i}`;
        const began = performance.now();
        const status = await statusOf(call(token, path));
        calls.push({ subjects: [token.id], path, began, ended: performance.now(), passed: status === 200 });
        if (![200, 401, 423, "cut"].includes(status)) throw new Error(`a call was answered ${status}`);
      }
    };
    const owner = async () => {
      const [last, ...spare] = tokens;
      for (let round = 0; !over.signal.aborted; round++) {
        // One token lives to the end, so that there is always somebody to be let through.
        const token = round % 3 === 0 && spare.length > 2 ? (spare.pop() as Minted) : pick([last as Minted, ...spare]);
        if (spare.includes(token) || token === last) {
          changes.push(await change(person, token, "pause"));
          await pause();
          changes.push(await change(person, token, "resume"));
        } else changes.push(await change(person, token, "revoke"));
        await pause();
      }
    };
    const stopping = owner();
    await Promise.all(Array.from({ length: CALLERS }, (_, name) => caller(name)));
    over.abort();
    await stopping;

    expect(calls).toHaveLength(CALLS);
    expect(violations(calls, changes)).toEqual([]);
    // The test is worth something only if both happened, often.
    expect(calls.filter(({ passed }) => passed).length).toBeGreaterThan(CALLS / 20);
    expect(calls.filter(({ passed }) => !passed).length).toBeGreaterThan(CALLS / 20);
    expect(changes.filter(({ stops }) => stops).length).toBeGreaterThan(TOKENS);
    // What was refused never reached the upstream; what was let through did so once.
    const arrived = upstream.seen.map(({ url }) => url.slice(1));
    expect(wronglyArrived(arrived, calls, changes)).toEqual([]);
    expect(new Set(arrived).isSupersetOf(new Set(calls.filter(({ passed }) => passed).map(({ path }) => path)))).toBe(
      true,
    );
    const { ok } = await person.api<{ ok: boolean }>("GET", "/v1/activity/verify");
    expect(ok).toBe(true);
  }, 180_000);
});

describe("the same with the key and the vault too, while the runtime is killed and started again", () => {
  it("holds: nothing stopped is let through, nothing is refused without a reason, no row is lost and the chain is whole", async () => {
    const seen = await storm({ calls: 900, kills: 1 });
    const { lost, violations: wrong, arrived_wrongly, chain_ok, kills } = seen;
    expect({ lost, wrong, arrived_wrongly, chain_ok, kills }).toEqual({
      lost: [],
      wrong: [],
      arrived_wrongly: [],
      chain_ok: true,
      kills: 1,
    });
    expect(Math.min(seen.passed, seen.refused)).toBeGreaterThan(0);
    expect(seen.stops).toBeGreaterThan(5);
  }, 180_000);
});

describe("what was stopped for a while", () => {
  it.each([
    ["token", ({ id }: Minted) => `/v1/tokens/${id}`],
    ["key", () => "/v1/keys/k"],
  ])("a paused %s works again the moment its resuming is answered", async (_what, pathOf) => {
    const person = await newPerson(locker);
    await storeKey(person, "k", upstream.origin);
    const token = await mintToken(person);
    for (let i = 0; i < 5; i++) {
      expect((await call(token, "x")).status).toBe(200);
      await person.api("POST", `${pathOf(token)}/pause`);
      const refused = await call(token, "x");
      expect(refused.status).toBe(423);
      expect(await refused.json()).toMatchObject({ code: "paused" });
      await person.api("POST", `${pathOf(token)}/resume`);
    }
    expect((await call(token, "x")).status).toBe(200);
  });

  it("a revoked token cannot be resumed, and what it asks is in the activity", async () => {
    const person = await newPerson(locker);
    await storeKey(person, "k", upstream.origin);
    const token = await mintToken(person);
    await person.api("DELETE", `/v1/tokens/${token.id}`);
    await expect(person.api("POST", `/v1/tokens/${token.id}/resume`)).rejects.toThrow("conflict");
    expect((await call(token, "x")).status).toBe(401);
    const row = await eventually(async () => (await activity(person)).find(({ rule }) => rule === "revoked"));
    expect(row).toMatchObject({ action: "proxy.call", outcome: "refused" });
  });
});

async function change(person: Person, { id }: Minted, what: "pause" | "resume" | "revoke"): Promise<ChangeSeen> {
  const asked = performance.now();
  if (what === "revoke") await person.api("DELETE", `/v1/tokens/${id}`);
  else await person.api("POST", `/v1/tokens/${id}/${what}`);
  return { subject: id, asked, answered: performance.now(), stops: what !== "resume" };
}

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)] as T;
}

/** A moment, so that calls come in between. */
function pause(ms = 5 + Math.random() * 40): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
