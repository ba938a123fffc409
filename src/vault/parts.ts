import { configOf } from "../config.ts";
import { actorOf } from "./actor.ts";
import { Audit, type Event } from "./audit.ts";
import type { Caller } from "./caller.ts";
import { Gate } from "./gate.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Identities } from "./identities.ts";
import { Idempotency } from "./idempotency.ts";
import { Jobs } from "./jobs.ts";
import { Keys } from "./keys.ts";
import { Leashes, type Connections, type Cut } from "./leashes.ts";
import { migrate } from "./migrate.ts";
import { BATCH_ROWS, BATCH_WAIT_MS } from "./outbox.ts";
import { Refusals } from "./refusals.ts";
import { Sealer } from "./sealer.ts";
import { Tokens, type Token } from "./tokens.ts";
import { UNCLAIMED_MS, UnderWay } from "./under_way.ts";
import { Versions } from "./versions.ts";

/** What a vault is made of. Each part owns its tables; what acts on several takes them all. */
export type Parts = {
  vault_id: string;
  env: Env;
  sql: SqlStorage;
  tokens: Tokens;
  keys: Keys;
  versions: Versions;
  idempotency: Idempotency;
  identities: Identities;
  audit: Audit;
  under_way: UnderWay;
  sealer: Sealer;
  jobs: Jobs;
  gate: Gate;
  leashes: Leashes;
  housekeeping: Housekeeping;
};

/** Puts a vault's parts together over storage that holds one. */
export function assemble(storage: DurableObjectStorage, env: Env, vault_id: string, connections: Connections): Parts {
  const { sql } = storage;
  migrate(storage);
  const jobs = new Jobs(storage);
  const audit = new Audit(sql, (state, seq, now) => {
    if (state === "pending") jobs.plan("interrupt", now + UNCLAIMED_MS);
    else jobs.plan("ship", seq % BATCH_ROWS === 0 ? now : now + BATCH_WAIT_MS);
  });
  const under_way = new UnderWay(sql);
  const tokens = new Tokens(sql);
  const keys = new Keys(sql);
  const sealer = new Sealer(sql, env.BLOBS, configOf(env).root_keys, vault_id);
  const refusals = new Refusals(sql, audit, jobs);
  const leashes = new Leashes(connections);
  const idempotency = new Idempotency(sql, jobs, configOf(env).root_keys, vault_id);
  const gate = new Gate({ tokens, keys, audit, sealer, refusals });
  const housekeeping = new Housekeeping({
    db: env.DB,
    vault_id,
    storage,
    audit,
    under_way,
    tokens,
    keys,
    sealer,
    jobs,
    refusals,
    leashes,
    idempotency,
  });
  jobs.load();
  audit.load();
  refusals.load();
  return {
    vault_id,
    env,
    sql,
    tokens,
    keys,
    versions: new Versions(sql),
    idempotency,
    identities: new Identities(sql),
    audit,
    under_way,
    sealer,
    jobs,
    gate,
    leashes,
    housekeeping,
  };
}

/** Records something that was done, in the step that did it. */
export function record({ audit }: Parts, by: Token, { origin }: Caller, action: string, about: Partial<Event>): void {
  audit.append({ actor: actorOf(by), action, outcome: "ok", ...about, ...origin }, Date.now());
}

/** Cuts what is open under a tag; each cut ends its call's audit row. The decision itself was changed and recorded before. */
export function cut({ audit, leashes }: Parts, tag: string, rule: string): Promise<Cut> {
  return leashes.cut(tag, rule, ({ seq, status }) => audit.settle(seq, { outcome: "cut", rule, status }, Date.now()));
}
