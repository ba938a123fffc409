import { configOf } from "../config.ts";
import { Alerts } from "./alerts/alerts.ts";
import { Approvals } from "./calls/approvals.ts";
import { Anomalies } from "./alerts/anomalies.ts";
import { Allowance } from "./audit/allowance.ts";
import { Audit } from "./audit/audit.ts";
import type { Decision } from "./audit/row.ts";
import { Tallies } from "./audit/tallies.ts";
import { Deletion } from "./account/deletion.ts";
import { readVault } from "./account/vault_row.ts";
import { Devices } from "./tokens/devices.ts";
import { Families } from "./tokens/families.ts";
import { ConnectedKeys } from "./connections/connected_keys.ts";
import { Gate } from "./calls/gate.ts";
import { Grants } from "./tokens/grants.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Identities } from "./account/identities.ts";
import { Idempotency } from "./idempotency.ts";
import { Jobs } from "./jobs.ts";
import { Keys } from "./keys/keys.ts";
import { Leashes, type Connections } from "./calls/leashes.ts";
import { trialMeter } from "./policy/judge.ts";
import { Live } from "./alerts/live.ts";
import { Meters, type Open } from "./calls/meters.ts";
import { McpSessions } from "./calls/mcp_sessions.ts";
import { migrate } from "./migrate.ts";
import { OneAtATime } from "./one_at_a_time.ts";
import { BATCH_ROWS, BATCH_WAIT_MS } from "./audit/outbox.ts";
import { Prices } from "./calls/prices.ts";
import { Quota } from "./quota.ts";
import { Refusals } from "./calls/refusals.ts";
import { Regrets } from "./tokens/regrets.ts";
import { RestoreWatch } from "./account/restore_watch.ts";
import { Sealer } from "./keys/sealer.ts";
import { Spending } from "./calls/spending.ts";
import { Tokens } from "./tokens/tokens.ts";
import { Trusts } from "./tokens/trusts.ts";
import { Turnstile } from "./calls/turnstile.ts";
import { UNCLAIMED_MS, UnderWay } from "./calls/under_way.ts";
import { Deliveries } from "./alerts/deliveries.ts";
import { Webhooks } from "./alerts/webhooks.ts";
import { Versions } from "./keys/versions.ts";
import type { Parts, Reactions } from "./parts.ts";

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
  const row = readVault(sql);
  const jobs = new Jobs(storage);
  const deliveries = new Deliveries(sql, jobs);
  const audit = new Audit(sql, (state, seq, now, told) => {
    const is_full = state === "whole" && seq % BATCH_ROWS === 0;
    // For a call that begins too, which has mostly ended by then: the alarm is set once, not again when it ends.
    jobs.plan("ship", is_full ? now : now + BATCH_WAIT_MS);
    if (state === "pending") {
      under_way.began(seq);
      jobs.plan("interrupt", now + UNCLAIMED_MS);
    } else {
      under_way.ended(seq);
      meters.free(seq);
      // Whoever ends a call without knowing what it took: it is booked by what it may have been.
      spending.book(seq, undefined);
    }
    reactions.hear(parts, seq, told, now);
  });
  const tallies = new Tallies(sql, audit);
  const under_way = new UnderWay(sql);
  const grants = new Grants(sql);
  const tokens = new Tokens(sql, grants, row);
  const meters = new Meters(sql, () => under_way.decisions().map((decision) => openCall(tokens, decision)));
  const { public_origin, root_keys, token_keys, limits } = configOf(env);
  const keys = new Keys(sql, limits);
  const versions = new Versions(sql);
  const sealer = new Sealer(sql, env.BLOBS, root_keys, vault_id);
  const refusals = new Refusals(sql, audit, jobs, (id) => tokens.eldest(id));
  const leashes = new Leashes(connections);
  const anomalies = new Anomalies(sql, tokens, (alert, origin) => reactions.raise(parts, alert, origin));
  const live = new Live({ connections, audit, tokens, jobs });
  const idempotency = new Idempotency(sql, jobs, root_keys, vault_id);
  const connected_keys = new ConnectedKeys({ sql, sealer, keys, versions, audit, jobs });
  const quota = new Quota(sql, limits.audit_rows_a_day, row);
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
  audit.load(row);
  tallies.load(row);
  const parts: Parts = {
    vault_id,
    env,
    sql,
    reach: null,
    deletion: new Deletion(storage, row),
    restore_watch: new RestoreWatch(sql, () => reactions.catchUp(parts), row),
    tokens,
    grants,
    devices: new Devices(sql),
    families: new Families(sql, tokens, sealer, token_keys, vault_id),
    keys,
    versions,
    connected_keys,
    idempotency,
    quota,
    allowance: new Allowance(),
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
