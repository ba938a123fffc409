import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import { Alerts, type NewAlert } from "./alerts/alerts.ts";
import { actorOf } from "./tokens/actor.ts";
import { Approvals } from "./calls/approvals.ts";
import { Anomalies } from "./alerts/anomalies.ts";
import { Audit } from "./audit/audit.ts";
import type { Decision, Event, Origin, Outcome } from "./audit/row.ts";
import { Tallies } from "./audit/tallies.ts";
import { recognise, type Caller } from "./tokens/caller.ts";
import { Deletion } from "./account/deletion.ts";
import { Devices } from "./tokens/devices.ts";
import { Families } from "./tokens/families.ts";
import { ConnectedKeys } from "./connections/connected_keys.ts";
import type { Effect } from "./account/frozen.ts";
import { Gate } from "./calls/gate.ts";
import { Grants } from "./tokens/grants.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Identities } from "./account/identities.ts";
import { Idempotency } from "./idempotency.ts";
import { Jobs } from "./jobs.ts";
import { Keys } from "./keys/keys.ts";
import { Leashes, type Connections, type Cut } from "./calls/leashes.ts";
import { trialMeter } from "./policy/judge.ts";
import { Live } from "./alerts/live.ts";
import { Meters, type Open } from "./calls/meters.ts";
import { McpSessions } from "./calls/mcp_sessions.ts";
import { migrate } from "./migrate.ts";
import { OneAtATime } from "./one_at_a_time.ts";
import { BATCH_ROWS, BATCH_WAIT_MS } from "./audit/outbox.ts";
import { Prices } from "./calls/prices.ts";
import { Quota } from "./quota.ts";
import type { Reach } from "./policy/reach.ts";
import { Refusals } from "./calls/refusals.ts";
import { Regrets } from "./tokens/regrets.ts";
import { RestoreWatch } from "./account/restore_watch.ts";
import { Sealer } from "./keys/sealer.ts";
import { Spending } from "./calls/spending.ts";
import type { Token } from "./tokens/token.ts";
import { Tokens } from "./tokens/tokens.ts";
import { Trusts } from "./tokens/trusts.ts";
import { Turnstile } from "./calls/turnstile.ts";
import { UNCLAIMED_MS, UnderWay } from "./calls/under_way.ts";
import { Deliveries } from "./alerts/deliveries.ts";
import { Webhooks } from "./alerts/webhooks.ts";
import { Versions } from "./keys/versions.ts";

/** What a vault is made of. Each part owns its tables; what acts on several takes them all. */
export type Parts = {
  vault_id: string;
  env: Env;
  sql: SqlStorage;
  /** What the caller may see of it; the whole, unless somebody says otherwise. */
  reach: Reach;
  deletion: Deletion;
  restore_watch: RestoreWatch;
  tokens: Tokens;
  grants: Grants;
  devices: Devices;
  families: Families;
  keys: Keys;
  versions: Versions;
  connected_keys: ConnectedKeys;
  idempotency: Idempotency;
  quota: Quota;
  turnstile: Turnstile;
  identities: Identities;
  audit: Audit;
  tallies: Tallies;
  alerts: Alerts;
  approvals: Approvals;
  under_way: UnderWay;
  meters: Meters;
  regrets: Regrets;
  trusts: Trusts;
  prices: Prices;
  spending: Spending;
  refusals: Refusals;
  sealer: Sealer;
  jobs: Jobs;
  gate: Gate;
  leashes: Leashes;
  live: Live;
  anomalies: Anomalies;
  webhooks: Webhooks;
  deliveries: Deliveries;
  /** What is sent to addresses that people gave: one at a time. */
  outbound: OneAtATime;
  mcp_sessions: McpSessions;
  housekeeping: Housekeeping;
};

/** What a vault does of itself because of what happens. It acts on all parts, and so is given to them when they are put together. */
export type Reactions = {
  /** A row was written, or has got its outcome. */
  hear(parts: Parts, seq: number, told: { event: Event } | { outcome: Outcome }, now: number): void;
  raise(parts: Parts, alert: NewAlert, origin: Origin | undefined): void;
  watch(parts: Parts): void;
  deliver(parts: Parts, now: number): Promise<void>;
  reseal(parts: Parts, now: number): Promise<void>;
  catchUp(parts: Parts): Promise<unknown>;
};

/** Puts a vault's parts together over storage that holds one. */
export function assemble(
  storage: DurableObjectStorage,
  env: Env,
  vault_id: string,
  connections: Connections,
  reactions: Reactions,
): Parts {
  const { sql } = storage;
  migrate(storage);
  const jobs = new Jobs(storage);
  const deliveries = new Deliveries(sql, jobs);
  const audit = new Audit(sql, (state, seq, now, told) => {
    if (state === "pending") {
      under_way.began(seq);
      jobs.plan("interrupt", now + UNCLAIMED_MS);
    } else {
      under_way.ended(seq);
      meters.free(seq);
      // Whoever ends a call without knowing what it took: it is booked by what it may have been.
      spending.book(seq, undefined);
      jobs.plan("ship", seq % BATCH_ROWS === 0 ? now : now + BATCH_WAIT_MS);
    }
    reactions.hear(parts, seq, told, now);
  });
  const tallies = new Tallies(sql, audit);
  const under_way = new UnderWay(sql);
  const grants = new Grants(sql);
  const tokens = new Tokens(sql, grants);
  const meters = new Meters(sql, () => under_way.decisions().map((decision) => openCall(tokens, decision)));
  const { public_origin, root_keys, token_keys, limits } = configOf(env);
  const keys = new Keys(sql, limits);
  const versions = new Versions(sql);
  const sealer = new Sealer(sql, env.BLOBS, root_keys, vault_id);
  const refusals = new Refusals(sql, audit, jobs);
  const leashes = new Leashes(connections);
  const anomalies = new Anomalies(sql, (alert, origin) => reactions.raise(parts, alert, origin));
  const live = new Live({ connections, audit, tokens, jobs });
  const idempotency = new Idempotency(sql, jobs, root_keys, vault_id);
  const connected_keys = new ConnectedKeys({ sql, sealer, keys, audit, jobs });
  const quota = new Quota(sql, limits.audit_rows_a_day);
  const prices = new Prices(sql);
  const spending = new Spending(sql, prices);
  const approvals = new Approvals(sql, public_origin);
  const gate = new Gate({
    approvals,
    tokens,
    keys,
    versions,
    connected_keys,
    audit,
    meters,
    sealer,
    refusals,
    quota,
    prices,
    spending,
  });
  const regrets = new Regrets(sql, jobs);
  const mcp_sessions = new McpSessions(sql, jobs, env.MCP_SESSION);
  const housekeeping = new Housekeeping({
    db: env.DB,
    vault_id,
    storage,
    audit,
    tallies,
    under_way,
    tokens,
    grants,
    keys,
    versions,
    connected_keys,
    sealer,
    jobs,
    refusals,
    leashes,
    live,
    anomalies,
    idempotency,
    watch: () => reactions.watch(parts),
    deliver: (now) => parts.outbound.run(() => reactions.deliver(parts, now)),
    reseal: (now) => reactions.reseal(parts, now),
    catchUp: () => reactions.catchUp(parts),
    mcp_sessions,
    regrets,
  });
  jobs.load();
  audit.load();
  tallies.load();
  refusals.load();
  const parts: Parts = {
    vault_id,
    env,
    sql,
    reach: null,
    deletion: new Deletion(storage),
    restore_watch: new RestoreWatch(sql, () => reactions.catchUp(parts)),
    tokens,
    grants,
    devices: new Devices(sql),
    families: new Families(sql, tokens, sealer, token_keys, vault_id),
    keys,
    versions,
    connected_keys,
    idempotency,
    quota,
    regrets,
    trusts: new Trusts(sql),
    turnstile: new Turnstile(storage),
    identities: new Identities(sql),
    audit,
    tallies,
    alerts: new Alerts(sql),
    approvals,
    under_way,
    meters,
    prices,
    spending,
    refusals,
    sealer,
    jobs,
    gate,
    leashes,
    live,
    anomalies,
    webhooks: new Webhooks(sql, deliveries),
    deliveries,
    outbound: new OneAtATime(),
    mcp_sessions,
    housekeeping,
  };
  housekeeping.wake();
  return parts;
}

/** A call under way, and on which meters it is. */
function openCall(tokens: Tokens, { seq, actor, token, would_refuse }: Decision): Open {
  const by = tokens.find(token ?? actor.id);
  const meters = (by === undefined ? [] : tokens.lineage(by)).flatMap(({ token, rules }) => [
    ...(rules.limits === undefined ? [] : [token.id]),
    ...(rules.warn?.limits === undefined || would_refuse !== undefined ? [] : [trialMeter(token.id)]),
  ]);
  return { seq, meters };
}

/** The caller's token, or a refusal: of a token that is known here that leaves a row too (DESIGN D2, SECURITY S14). */
export function admit({ tokens, audit, refusals }: Parts, caller: Caller, effect: Effect = "change"): Token {
  const now = Date.now();
  try {
    return recognise(tokens, caller, now, effect);
  } catch (refused) {
    const token = tokens.byHash(caller.hash);
    if (!(refused instanceof Problem) || token === undefined || token.kind !== caller.kind) throw refused;
    const rule = refused.extras.rule ?? refused.code;
    const event = { actor: actorOf(token), action: "manage", outcome: "refused" as const, rule, ...caller.origin };
    const request_id = refusals.isFirst(event, now) ? audit.append(event, now).id : undefined;
    throw new Problem(refused.code, refused.message, { ...refused.extras, request_id });
  }
}

/** Records something that was done, in the step that did it. */
export function record({ audit }: Parts, by: Token, { origin }: Caller, action: string, about: Partial<Event>): void {
  audit.append({ actor: actorOf(by), action, outcome: "ok", ...about, ...origin }, Date.now());
}

/** Cuts what is open under any of these tags; each cut ends its call's audit row. The decision itself was changed and recorded before. */
export function cut({ audit, leashes }: Parts, tags: readonly string[], rule: string): Promise<Cut> {
  return leashes.cut(tags, rule, ({ seq, status }) => audit.settle(seq, { outcome: "cut", rule, status }, Date.now()));
}
