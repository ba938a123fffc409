import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { personOf, type Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { eventually, mintToken, newPerson, startLocker, storeKey, type Minted } from "../support/locker.ts";
import { killRuntime } from "../support/runtime.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const CYCLES = 2;
const CALLERS = 12;

/** What was acknowledged to somebody, and must therefore be so for ever. */
type Acknowledged = { calls: Set<string>; keys: Map<string, string>; live: Minted[]; revoked: Minted[] };

let stateDir: string;
let upstream: Upstream;
beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "apilocker-crash-"));
  upstream = await startUpstream();
});
afterAll(async () => {
  await upstream.stop();
  await rm(stateDir, { recursive: true, force: true });
});

function call(locker: LocalLocker, key: string, { token }: Minted): Promise<Response> {
  return fetch(`${locker.proxyOrigin}/v1/proxy/${key}/x`, { headers: { authorization: `Bearer ${token}` } });
}

async function untilItFalls(step: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; ; round++) {
    try {
      await step(round);
    } catch {
      return;
    }
  }
}

/** Uses everything at once until the runtime is gone, and notes what was acknowledged. */
async function useUntilItFalls(locker: LocalLocker, person: Person, known: Acknowledged, cycle: number): Promise<void> {
  const caller = () =>
    untilItFalls(async () => {
      const answer = await call(locker, "k", known.live[0] as Minted);
      await answer.arrayBuffer();
      if (answer.status === 200) known.calls.add(answer.headers.get("apilocker-request-id") as string);
    });
  const owner = untilItFalls(async (round) => {
    const name = `k-${cycle}-${round}`;
    await storeKey(person, name, upstream.origin, { secret: `sk-${name}` });
    known.keys.set(name, `sk-${name}`);
    const token = await mintToken(person);
    if (round % 2 === 0) return void known.live.push(token);
    await person.api("DELETE", `/v1/tokens/${token.id}`);
    known.revoked.push(token);
  });
  await Promise.all([owner, ...Array.from({ length: CALLERS }, caller)]);
}

async function everyRow(person: Person): Promise<Map<string, number>> {
  const rows = new Map<string, number>();
  for (let cursor = ""; ;) {
    const page = await person.api<{ items: { id: string; seq: number }[]; next_cursor?: string }>(
      "GET",
      `/v1/activity?limit=200${cursor}`,
    );
    for (const { id, seq } of page.items) rows.set(id, seq);
    if (page.next_cursor === undefined) return rows;
    cursor = `&cursor=${page.next_cursor}`;
  }
}

async function assertNothingIsLost(locker: LocalLocker, person: Person, known: Acknowledged): Promise<void> {
  expect(await person.api("GET", "/v1/activity/verify")).toMatchObject({ ok: true });
  const rows = await everyRow(person);
  expect([...known.calls].filter((id) => !rows.has(id))).toEqual([]);
  const db = await locker.miniflare.getD1Database("DB");
  const count = await db
    .prepare("SELECT count(*) AS all_of_them, count(DISTINCT decision ->> 'id') AS ids FROM audit")
    .first<{ all_of_them: number; ids: number }>();
  expect(count?.all_of_them).toBe(count?.ids);
  const arrived = upstream.seen.length;
  for (const token of known.revoked) expect((await call(locker, "k", token)).status).toBe(401);
  expect(upstream.seen.length).toBe(arrived);
  for (const token of known.live) expect((await call(locker, "k", token)).status).toBe(200);
  for (const [name, secret] of known.keys) {
    expect((await call(locker, name, known.live[0] as Minted)).status).toBe(200);
    expect(upstream.seen.at(-1)?.headers.authorization).toBe(`Bearer ${secret}`);
  }
}

// Long forms run it by the thousand; this one shows that it can be shown.
it.skipIf(process.platform === "win32")(
  "killed in the middle of everything, it has lost nothing that it had acknowledged, and nothing stopped works again",
  async () => {
    let locker = await startLocker({ stateDir });
    let person = await newPerson(locker);
    await storeKey(person, "k", upstream.origin, { secret: "sk-k" });
    const known: Acknowledged = {
      calls: new Set(),
      keys: new Map([["k", "sk-k"]]),
      live: [await mintToken(person)],
      revoked: [],
    };
    try {
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        const before = known.calls.size;
        const using = useUntilItFalls(locker, person, known, cycle);
        // By what was done, not by the clock: a busy machine is as far as a quick one then. And then anywhere in between.
        await eventually(async () => known.calls.size > before + 50, 30_000);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 500));
        await killRuntime(locker);
        await using;
        locker = await startLocker({ stateDir });
        person = personOf(locker.publicOrigin, person.cookie);
        await assertNothingIsLost(locker, person, known);
      }
      expect(known.revoked.length).toBeGreaterThan(CYCLES);
    } finally {
      await locker.stop();
    }
  },
  180_000,
);
