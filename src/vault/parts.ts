import { Problem } from "../problem.ts";
import { Alerts, type NewAlert } from "./alerts/alerts.ts";
import { actorOf } from "./tokens/actor.ts";
import { Approvals } from "./calls/approvals.ts";
import { Anomalies } from "./alerts/anomalies.ts";
import type { Allowance } from "./audit/allowance.ts";
import { Audit } from "./audit/audit.ts";
import type { Event, Origin, Outcome } from "./audit/row.ts";
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
import { Leashes, type Cut } from "./calls/leashes.ts";
import { Live } from "./alerts/live.ts";
import { Meters } from "./calls/meters.ts";
import { McpSessions } from "./calls/mcp_sessions.ts";
import { OneAtATime } from "./one_at_a_time.ts";
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
import { UnderWay } from "./calls/under_way.ts";
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
  allowance: Allowance;
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

/** The caller's token, or a refusal: of a token that is known here that leaves a row too (DESIGN D2, SECURITY S14). */
export function admit({ tokens, audit, refusals, quota }: Parts, caller: Caller, effect: Effect = "change"): Token {
  const now = Date.now();
  try {
    const token = recognise(tokens, caller, now, effect);
    if (effect === "change" || effect === "narrow") quota.assertRoomToChange(audit.heads.head_seq, now);
    return token;
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
