import { once } from "node:events";
import { request } from "node:http";
import { signIn, type Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { eventually, mintToken, newPerson, storeKey } from "../support/locker.ts";
import { inVault, vaultOf } from "../support/mcp.ts";
import { startUpstream } from "../support/upstream.ts";
import { inParallel, percentile, startMachine } from "./machine.ts";

const CHUNK = Buffer.alloc(1024 * 1024, "x");
/** What may be resident above the start, whatever goes through. */
const ROOM_MB = 400;

/** So many sign-ins of all may be told to begin again. */
const MOST_AWAY = 10;

/** So many people with a vault each, and what one of them costs. */
export async function vaults({ count }: { count: number }): Promise<boolean> {
  const upstream = await startUpstream();
  const said: string[] = [];
  const machine = await startMachine({ log: (line) => void said.push(line) });
  const { locker } = machine;
  const began = { memory: await machine.memory(), stored: await machine.stored("do") };
  const tokens: string[] = [];
  let away = 0;
  // Who is told to begin again does, as a person would; how often that was is told, and why.
  const come = (email: string): Promise<Person> =>
    signIn(locker.publicOrigin, email).catch((fault: Error) => {
      if (!/: (503 unavailable|400 sign_in_failed)/.test(fault.message) || ++away > MOST_AWAY) throw fault;
      console.log(`vaults: ${email} was told to begin again: ${said.at(-1) ?? "and nothing was logged"}`);
      return come(email);
    });
  await inParallel(
    Array.from({ length: count }, (_, at) => at),
    8,
    async (at) => {
      const person = await come(`v${at}@example.com`);
      await storeKey(person, "k", upstream.origin);
      tokens.push((await mintToken(person)).token);
      if (tokens.length % 1_000 === 0)
        console.log(`vaults: ${tokens.length} of ${count}, memory ${(await machine.memory()).toFixed(0)} MB`);
    },
  );
  const furnished = { memory: await machine.memory(), stored: await machine.stored("do") };
  const took: number[] = [];
  let failed = 0;
  await inParallel(tokens, 8, async (token) => {
    const at = performance.now();
    const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } });
    await answer.arrayBuffer();
    took.push(performance.now() - at);
    if (answer.status !== 200) failed++;
  });
  console.log(
    `vaults: ${count} people signed up, stored a key and minted a token; ${((furnished.stored - began.stored) / count / 1_024).toFixed(0)} KB a vault; ` +
      `memory ${began.memory.toFixed(0)} → ${furnished.memory.toFixed(0)} MB; a call of each: p50 ${percentile(took, 0.5).toFixed(1)} ms, p99 ${percentile(took, 0.99).toFixed(1)} ms, ${failed} failed, ${away} sign-ins were told to begin again`,
  );
  await Promise.all([machine.stop(), upstream.stop()]);
  return failed === 0;
}

/**
 * Rows as they lie in D1 after twelve days of a call a second, numbered below those that a vault has written. They are copies of one: this asks how long
 * looking takes, not whether the chain is whole.
 */
async function layRows(locker: LocalLocker, person: Person, rows: number): Promise<void> {
  const db = await locker.miniflare.getD1Database("DB");
  const vault = vaultOf(person);
  await db.prepare("UPDATE audit SET seq = seq + ? WHERE vault_id = ?").bind(rows, vault.name).run();
  const PIECE = 50_000;
  for (let at = 0; at < rows; at += PIECE) {
    const insert = db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + ?2 - 1)
         INSERT OR IGNORE INTO audit (vault_id, seq, at, decision, hash, outcome, outcome_hash)
         SELECT a.vault_id, i, a.at - (?3 - i) * 1000,
           json_set(a.decision, '$.seq', i, '$.at', strftime('%Y-%m-%dT%H:%M:%fZ', (a.at - (?3 - i) * 1000) / 1000.0, 'unixepoch')),
           a.hash || i, a.outcome, a.outcome_hash
         FROM n, (SELECT * FROM audit WHERE vault_id = ?4 AND outcome IS NOT NULL ORDER BY seq DESC LIMIT 1) a`,
      )
      .bind(at + 1, Math.min(PIECE, rows - at), rows, vault.name);
    // A connection that stood idle may be gone when it is used again; what is asked twice is done once.
    await insert.run().catch(() => insert.run());
  }
  // The quota counts from the newest row of the day before.
  await inVault(locker, person, "UPDATE vault SET head_seq = head_seq + ?1, quota_seq = quota_seq + ?1", rows);
  await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", vault);
}

/** One person with very many keys and rows. */
export async function hoarder({ keys, rows }: { keys: number; rows: number }): Promise<boolean> {
  const upstream = await startUpstream();
  const machine = await startMachine();
  const { locker } = machine;
  const ada = await newPerson(locker);
  const { token } = await mintToken(ada);
  await inParallel(
    Array.from({ length: keys }, (_, at) => at),
    4,
    async (at) => void (await storeKey(ada, `k${at}`, upstream.origin)),
  );
  const call = () =>
    fetch(`${locker.proxyOrigin}/v1/proxy/k${keys - 1}/x`, { headers: { authorization: `Bearer ${token}` } }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      },
    );
  await call();
  // What would be shipped while rows are laid would be taken for another life's.
  await eventually(async () => (await inVault(locker, ada, "SELECT seq FROM audit LIMIT 1")).length === 0, 60_000);
  await layRows(locker, ada, rows);
  const timed = async (what: string, work: () => Promise<unknown>) => {
    const at = performance.now();
    await work();
    console.log(`hoarder: ${what} with ${keys} keys and ${rows} rows: ${(performance.now() - at).toFixed(0)} ms`);
  };
  await timed("a call", async () => {
    const status = await call();
    if (status !== 200) throw new Error(`a call was answered ${status}`);
  });
  // So many rows have left before the vault counted them, as after an upgrade from long ago: it does so now that it wakes.
  const statistics = async () => {
    const { items, counting } = await ada.api<{ items: { calls: number }[]; counting: boolean }>(
      "GET",
      "/v1/activity/stats?bucket=day",
    );
    const calls = items.reduce((sum, item) => sum + item.calls, 0);
    if (!counting && calls < rows) throw new Error(`${calls} calls are told of ${rows}`);
    return counting;
  };
  await timed("statistics, while the vault still counts", statistics);
  await timed("a call, while the vault still counts", call);
  await timed("and until it has counted", async () => {
    while (await statistics()) await new Promise((resolve) => setTimeout(resolve, 100));
  });
  await timed("a page of keys", () => ada.api("GET", "/v1/keys?limit=200"));
  await timed("a search among keys", () => ada.api("GET", "/v1/keys?q=k99&limit=200"));
  await timed("a page of the log", () => ada.api("GET", "/v1/activity?limit=200"));
  await timed("a filtered page of the log", () => ada.api("GET", "/v1/activity?limit=200&outcome=refused"));
  await timed("statistics", statistics);
  await timed("minting a token", () => mintToken(ada));
  await timed("the doctor", () => ada.api("GET", "/v1/doctor"));
  await Promise.all([machine.stop(), upstream.stop()]);
  return true;
}

/** Bodies of a gigabyte both ways, and hundreds who read or write slowly: the runtime holds none of it. */
export async function bodies({ megabytes, slow }: { megabytes: number; slow: number }): Promise<boolean> {
  let received = 0;
  const upstream = await startUpstream();
  upstream.answerAtOnce((asked, answer) => {
    asked.on("data", (chunk: Buffer) => (received += chunk.length));
    asked.on("end", () => {
      if (asked.url !== "/down" && asked.url !== "/trickle") return void answer.end("{}");
      let left = asked.url === "/down" ? megabytes : 8;
      const more = () => {
        while (left > 0) {
          left--;
          if (!answer.write(CHUNK)) return void answer.once("drain", more);
        }
        answer.end();
      };
      more();
    });
  });
  const machine = await startMachine();
  const ada = await newPerson(machine.locker);
  await storeKey(ada, "k", upstream.origin);
  const { token } = await mintToken(ada);
  const open = (path: string, method: string) =>
    request(`${machine.locker.proxyOrigin}/v1/proxy/k${path}`, {
      method,
      agent: false,
      headers: { authorization: `Bearer ${token}` },
    });
  const start = await machine.memory();
  let peak = start;
  const watch = setInterval(() => void machine.memory().then((now) => (peak = Math.max(peak, now))), 200);
  const report = async (what: string, bytes: number, cpu: number) =>
    console.log(
      `bodies: ${what}: ${(bytes / 1e6).toFixed(0)} MB, ${(((await machine.cpu()) - cpu) / 1_000).toFixed(1)} s of CPU, memory ${start.toFixed(0)} MB, at most ${peak.toFixed(0)}`,
    );

  let cpu = await machine.cpu();
  const [down] = (await (async () => {
    const asked = open("/down", "GET");
    asked.end();
    return once(asked, "response");
  })()) as [import("node:http").IncomingMessage];
  let got = 0;
  for await (const chunk of down) got += (chunk as Buffer).length;
  await report("down", got, cpu);

  cpu = await machine.cpu();
  const up = open("/up", "POST");
  const answered = once(up, "response");
  for (let left = megabytes; left > 0; left--) if (!up.write(CHUNK)) await once(up, "drain");
  up.end();
  await answered;
  await report("up", received, cpu);

  cpu = await machine.cpu();
  let sum = 0;
  await Promise.all(
    Array.from({ length: slow }, async (_, at) => {
      if (at % 2 === 0) {
        const asked = open("/trickle", "GET");
        asked.end();
        const [answer] = (await once(asked, "response")) as [import("node:http").IncomingMessage];
        // Stands still, with megabytes on their way to it; then takes them.
        await new Promise((resolve) => setTimeout(resolve, 8_000));
        for await (const chunk of answer) sum += (chunk as Buffer).length;
        return;
      }
      const asked = open("/up", "POST");
      const answered = once(asked, "response");
      for (let i = 0; i < 16; i++) {
        asked.write(CHUNK.subarray(0, 4_096));
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      asked.end();
      await answered;
      sum += 16 * 4_096;
    }),
  );
  await report(`${slow} who read or write slowly`, sum, cpu);
  clearInterval(watch);
  await Promise.all([machine.stop(), upstream.stop()]);
  return got === megabytes * CHUNK.length && received >= megabytes * CHUNK.length && peak - start < ROOM_MB;
}
