import { env } from "cloudflare:workers";
import type { Identified } from "../../src/auth/caller.ts";
import { chainHash } from "../../src/vault/audit/row.ts";
import { evict, newVault, sql, wholeLog, type Vault } from "./vault.ts";

const AT_ONCE = 2_000;

/** A vault with so many rows more that it wrote, say, and that have left for D1. */
export async function longLog(more: number): Promise<{ vault: Vault; who: Identified }> {
  const vault = await newVault();
  await writeOn(vault, more);
  return { vault, who: { vault_id: vault.id, caller: vault.ada } as Identified };
}

/** So many rows more, as if the vault had written them and they had left. */
export async function writeOn(vault: Vault, more: number): Promise<void> {
  const { heads } = await wholeLog(vault);
  let { head_seq: seq, head_hash: prev } = heads;
  const at = new Date().toISOString();
  const actor = { kind: "app", id: "tok_1", name: "t" };
  for (let left = more; left > 0; left -= AT_ONCE) {
    const rows = Array.from({ length: Math.min(left, AT_ONCE) }, () => {
      const action = ++seq % 10 === 0 ? "key.rename" : "key.create";
      const decision = JSON.stringify({ seq, prev, id: `aud_${seq}`, at, actor, action, outcome: "ok" });
      return { seq, decision, hash: (prev = chainHash(decision)) };
    });
    await env.DB.prepare(
      `INSERT INTO audit (vault_id, seq, at, decision, hash)
       SELECT ?1, value ->> 'seq', ?3, value ->> 'decision', value ->> 'hash' FROM json_each(?2)`,
    )
      .bind(vault.id, JSON.stringify(rows), Date.now())
      .run();
  }
  await sql(vault, `UPDATE vault SET head_seq = ${seq}, head_hash = '${prev}'`);
  await evict(vault);
}

/** The same bindings, and how many statements D1 was given through them: a Worker's invocation may give it 1,000. */
export function counted(given: Env): { env: Env; statements: () => number } {
  let statements = 0;
  const prepared = new WeakMap<object, D1PreparedStatement>();
  const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
    const counting = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values)),
      run: () => (statements++, statement.run()),
      all: () => (statements++, statement.all()),
      first: (...column: []) => (statements++, statement.first(...column)),
    } as unknown as D1PreparedStatement;
    prepared.set(counting, statement);
    return counting;
  };
  const DB = {
    prepare: (query: string) => wrap(given.DB.prepare(query)),
    batch: (all: D1PreparedStatement[]) => {
      statements += all.length;
      return given.DB.batch(all.map((one) => prepared.get(one) ?? one));
    },
  } as unknown as D1Database;
  return { env: { ...given, DB }, statements: () => statements };
}
