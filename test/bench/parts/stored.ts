import { serve } from "../../../src/local/serve.ts";
import { inVault } from "../../support/mcp.ts";
import { measureLatency } from "./latency.ts";
import type { Children } from "../children.ts";
import { KEY, openAccount, type Account } from "../targets/accounts.ts";
import { lockerCall } from "../targets/start.ts";
import { SMALL, type Lane } from "../targets/target.ts";

/** What a call costs where much is stored, over what it costs in a new vault. Milliseconds. */
export type Stored = { keys: number; rows: number; new_ms: number; stored_ms: number; ratio: number };

const BATCH = 100_000;
const ROUNDS = 20;
const CALLS = 50;

/** Fills one vault with keys and the archive with its rows (by SQL: storing them one by one would take an hour), then asks both in turn. */
export async function measureStored(
  children: Children,
  { keys, rows }: { keys: number; rows: number },
  say: (line: string) => void,
): Promise<Stored> {
  const started = await children.start("upstream", 0);
  if ("skipped" in started) throw new Error(started.skipped);
  const locker = await serve({ port: 0, proxyPort: 0, oidcPort: 0, stateDir: "", inspect: true });
  try {
    const port = Number(new URL(locker.proxyOrigin).port);
    const open = (who: string) => openAccount(locker.publicOrigin, started.port, `${who}@example.com`);
    const [fresh, full] = [await open("fresh"), await open("full")];
    say(`storing ${keys} keys`);
    await storeKeys((query, ...values) => inVault(locker, full.person, query, ...values), keys);
    say(`archiving ${rows} rows`);
    const db = await locker.miniflare.getD1Database("DB");
    for (let first = 0; first < rows; first += BATCH)
      await db
        .prepare(ROWS)
        .bind(vaultOf(full), first, Math.min(rows, first + BATCH), Date.now())
        .run();
    say("calling");
    const lanes = [lane("new", port, fresh), lane("stored", port, full)];
    await measureLatency(lanes, { rounds: 2, calls: CALLS });
    const latency = await measureLatency(lanes, { rounds: ROUNDS, calls: CALLS });
    const [new_ms, stored_ms] = ["new", "stored"].map((name) => latency.get(name)?.p50 ?? Number.NaN) as [
      number,
      number,
    ];
    return { keys, rows, new_ms, stored_ms, ratio: stored_ms / new_ms };
  } finally {
    await locker.stop();
  }
}

/** The figures for people. */
export function tellStored({ keys, rows, new_ms, stored_ms, ratio }: Stored): string {
  return `A call on a new vault ${new_ms.toFixed(2)} ms, on one with ${keys} keys and ${rows} rows ${stored_ms.toFixed(2)} ms: ${ratio.toFixed(2)}`;
}

const COUNT = "WITH RECURSIVE n (i) AS (SELECT ?2 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?3)";
/** Far above the numbers that this vault will give itself meanwhile. */
const ROWS = `INSERT INTO audit (vault_id, seq, at, decision, hash, outcome, outcome_hash) ${COUNT}
  SELECT ?1, 10000000 + i, ?4 - i, json_object('seq', 10000000 + i, 'prev', hex(randomblob(20)), 'id', 'aud_' || hex(randomblob(13)), 'action', 'proxy.call',
    'key', 'key_bench', 'method', 'POST', 'host', 'api.example', 'path', '/v1/chat/completions'), hex(randomblob(20)), NULL, NULL FROM n`;

async function storeKeys(run: (query: string, ...values: unknown[]) => Promise<unknown>, keys: number): Promise<void> {
  const count = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
  const id = "printf('key_%026d', i)";
  const like = `(SELECT * FROM api_key WHERE name = '${KEY}') k`;
  await run(
    `INSERT INTO api_key (id, name, provider, version, last_version, tags, scrub, revealable, created_at, updated_at) ${count}
     SELECT ${id}, 'key-' || i, provider, 1, 1, tags, scrub, revealable, created_at, updated_at FROM n, ${like}`,
    keys,
  );
  await run(`INSERT INTO key_name (name, key_id) ${count} SELECT 'key-' || i, ${id} FROM n`, keys);
  await run(
    `INSERT INTO key_version (key_id, version, destination, data_key, created_at) ${count}
     SELECT ${id}, 1, v.destination, v.data_key, v.created_at FROM n, key_version v, ${like} WHERE v.key_id = k.id`,
    keys,
  );
}

function lane(name: string, port: number, { token }: Account): Lane {
  const target = { name, port, foreign: false, processes: undefined, call: () => Buffer.alloc(0) };
  return { name, target, calls: [lockerCall(port, SMALL, token)], status: 200 };
}

function vaultOf({ token }: Account): string {
  return token.slice("alk_app_".length + 2, "alk_app_".length + 26);
}
