import { signIn, type Person } from "../../src/local/person.ts";
import { mintToken, storeKey } from "../support/locker.ts";
import { pick, randomOf, type Random } from "../support/random.ts";
import { startUpstream } from "../support/upstream.ts";
import type { Heap } from "./heap.ts";
import { percentile, slope, startMachine, type Machine } from "./machine.ts";
import { verdictOn, type Verdict } from "../support/verdict.ts";

type Tenant = { person: Person; token: string; refresh_token: string; keys: number };

const CALLERS = 12;
const WINDOW_MS = 10_000;
/** More than this held for each minute after the first third is a leak. What is resident says less: garbage is collected when the runtime likes. */
const GROWTH_LIMIT_MB = 0.2;

/** Calls, streams, refusals, refreshes and changes of many people at once, for as long as it is wished. */
export async function mixed({ minutes, vaults, seed }: { minutes: number; vaults: number; seed: number }) {
  const upstream = await startUpstream((request, response) => {
    // What was seen would be the test's own leak.
    upstream.seen.length = 0;
    if (request.url?.startsWith("/stream") !== true) return void response.end('{"ok":true}');
    response.writeHead(200, { "content-type": "text/event-stream" });
    let left = 20;
    const beat = setInterval(() => (left-- > 0 ? response.write("data: x\n\n") : response.end()), 50);
    response.on("close", () => clearInterval(beat));
  });
  const machine = await startMachine();
  const random = randomOf(seed);
  const tenants: Tenant[] = [];
  for (let at = 0; at < vaults; at++)
    tenants.push(await newTenant(machine, upstream.origin, `soak-${seed}-${at}@example.com`));
  const before = { do: await machine.stored("do"), d1: await machine.stored("d1") };
  const end = Date.now() + minutes * 60_000;
  const seen = new Map<string, number>();
  const windows: { memory: number; p50: number; p99: number; calls: number }[] = [];
  let took: number[] = [];
  let calls = 0;

  const caller = async () => {
    while (Date.now() < end) {
      const tenant = pick(random, tenants);
      const [what, work] = choose(random);
      const began = performance.now();
      const status = await work(machine, tenant, random).catch(
        (fault: unknown) => `fault ${String(fault).slice(0, 80)}`,
      );
      if (what === "call") took.push(performance.now() - began);
      if (what === "call" || what === "stream") calls++;
      const name = `${what} ${status}`;
      seen.set(name, (seen.get(name) ?? 0) + 1);
    }
  };
  /** After each third. A leak shows here, whatever the runtime does with its memory. */
  const heaps: Heap[] = [];
  const watcher = async () => {
    const third_ms = (minutes * 60_000) / 3;
    while (Date.now() < end) {
      if (Date.now() > end - third_ms * (2 - heaps.length)) heaps.push(await machine.heap());
      await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
      const window = {
        memory: await machine.memory(),
        p50: percentile(took, 0.5),
        p99: percentile(took, 0.99),
        calls: took.length,
      };
      windows.push(window);
      took = [];
      console.error(
        `… ${calls} calls, ${window.memory.toFixed(0)} MB, p50 ${window.p50.toFixed(1)} ms, p99 ${window.p99.toFixed(1)} ms`,
      );
    }
  };
  await Promise.all([watcher(), ...Array.from({ length: CALLERS }, caller)]);
  // The last rows travel to D1 within ten seconds.
  await new Promise((resolve) => setTimeout(resolve, 15_000));
  heaps.push(await machine.heap());
  const after = { do: await machine.stored("do"), d1: await machine.stored("d1") };
  const held = heaps.map(({ product, stores }) => product + stores);
  const growth = ((held.at(-1) ?? Infinity) - (held[0] ?? 0)) / ((minutes * 2) / 3);
  const settled = windows.slice(-Math.ceil(windows.length / 3));
  const resident = slope(settled.map(({ memory }) => memory)) * (60_000 / WINDOW_MS);
  const db = await machine.locker.miniflare.getD1Database("DB");
  const rows = await db
    .prepare(
      "SELECT count(*) AS rows, avg(length(decision) + length(outcome) + length(hash) + length(outcome_hash)) AS bytes FROM audit",
    )
    .first<{ rows: number; bytes: number }>();
  const verified = await Promise.all(
    tenants
      .slice(0, 20)
      .map(({ person }) => verdictOn((method, body) => person.api<Verdict>(method, "/v1/activity/verify", body))),
  );
  await Promise.all([machine.stop(), upstream.stop()]);
  const faults = [...seen].filter(([name]) => !EXPECTED.has(name));
  console.log(JSON.stringify(Object.fromEntries(seen)));
  for (const [at, { product, stores }] of heaps.entries())
    console.log(
      `mixed: held after third ${at + 1}, garbage collected: ${product.toFixed(1)} MB by the product, ${stores.toFixed(1)} MB by what plays KV and D1`,
    );
  console.log(
    `mixed: ${minutes} min, ${vaults} vaults, ${calls} calls; memory ${settled[0]?.memory.toFixed(0)} → ${settled.at(-1)?.memory.toFixed(0)} MB in the last third (${resident.toFixed(2)} MB/min), held ${growth.toFixed(2)} MB/min; ` +
      `p50 ${percentile(
        settled.map(({ p50 }) => p50),
        0.5,
      ).toFixed(1)} ms, p99 ${percentile(
        settled.map(({ p99 }) => p99),
        0.5,
      ).toFixed(1)} ms; ` +
      `vaults grew ${((after.do - before.do) / calls).toFixed(0)} B a call, D1 ${((after.d1 - before.d1) / calls).toFixed(0)} B a call; ` +
      `${rows?.rows} rows of ${rows?.bytes.toFixed(0)} B; ${verified.filter(({ ok }) => ok).length} of ${verified.length} chains whole; ${faults.length} kinds of faults`,
  );
  return faults.length === 0 && growth < GROWTH_LIMIT_MB && verified.every(({ ok }) => ok);
}

async function newTenant({ locker }: Machine, upstream: string, email: string): Promise<Tenant> {
  const person = await signIn(locker.publicOrigin, email);
  await storeKey(person, "k", upstream);
  const { token } = await mintToken(person);
  const { refresh_token } = await person.api<{ refresh_token: string }>("POST", "/v1/tokens", {
    name: "r",
    rotation: "hourly",
  });
  return { person, token, refresh_token, keys: 0 };
}

type Work = (machine: Machine, tenant: Tenant, random: Random) => Promise<number>;

const call =
  (path: string): Work =>
  async ({ locker }, { token }) => {
    const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/k${path}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await answer.arrayBuffer();
    return answer.status;
  };

const WORK: [share: number, what: string, work: Work][] = [
  [80, "call", call("/x")],
  [6, "stream", call("/stream")],
  [
    4,
    "forged",
    async ({ locker }, { token }) => {
      const forged = `${token.slice(0, 40)}AAAAAAAA${token.slice(48)}`;
      const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, {
        headers: { authorization: `Bearer ${forged}` },
      });
      await answer.arrayBuffer();
      return answer.status;
    },
  ],
  [
    4,
    "refresh",
    async ({ locker }, tenant) => {
      const answer = await fetch(`${locker.publicOrigin}/v1/tokens/refresh`, {
        method: "POST",
        headers: { authorization: `Bearer ${tenant.refresh_token}` },
      });
      const body = await answer.json<{ refresh_token: string }>();
      if (answer.status === 200) tenant.refresh_token = body.refresh_token;
      return answer.status;
    },
  ],
  [
    2,
    "mint and revoke",
    async (_machine, { person }) => {
      const { id } = await mintToken(person);
      const answer = await person.fetch(`/v1/tokens/${id}`, { method: "DELETE" });
      await answer.arrayBuffer();
      return answer.status;
    },
  ],
  [
    2,
    "store and delete",
    async (_machine, tenant) => {
      const name = `s${tenant.keys++}`;
      await storeKey(tenant.person, name, "https://example.com");
      const answer = await tenant.person.fetch(`/v1/keys/${name}`, { method: "DELETE" });
      await answer.arrayBuffer();
      return answer.status;
    },
  ],
  [
    2,
    "read",
    async (_machine, { person }, random) => {
      const answer = await person.fetch(
        pick(random, ["/v1/activity", "/v1/keys", "/v1/tokens", "/v1/activity/stats?bucket=hour"]),
      );
      await answer.arrayBuffer();
      return answer.status;
    },
  ],
];
const EXPECTED = new Set([
  "call 200",
  "stream 200",
  "forged 401",
  "refresh 200",
  "mint and revoke 200",
  "store and delete 200",
  "read 200",
]);

function choose(random: Random): [string, Work] {
  let left = random() * WORK.reduce((sum, [share]) => sum + share, 0);
  for (const [share, what, work] of WORK) if ((left -= share) < 0) return [what, work];
  return ["call", call("/x")];
}
