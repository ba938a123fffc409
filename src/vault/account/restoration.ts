import { ALERT_KINDS } from "../alerts/kinds.ts";
import { BY_VAULT, type AuditRow, type Decision } from "../audit/row.ts";
import { readRow } from "../audit/uses.ts";
import { Problem } from "../../problem.ts";
import { dropOffers } from "./freeze.ts";
import { cutAll } from "../tokens/ending.ts";
import type { Parts } from "../parts.ts";
import { mayGoFrom } from "./identities.ts";
import { putOnHold } from "./on_hold.ts";
import { LostUses } from "./lost_uses.ts";
import { endSessionsBut } from "./sign_in.ts";
import { OtherLife } from "./other_life.ts";

/** What looking for a restore has found: nothing, a vault that is behind and has caught up, or one that was deleted since. */
export type Restored = { outcome: "in_step" | "deleted" } | { outcome: "caught_up"; rows: number; replayed: number };

/** One invocation may ask D1 1,000 times: so a vault catches up with five million rows. */
const ROWS_A_READ = 5_000;

/**
 * After a point-in-time restore a vault believes in tokens that were revoked since. D1 was not put back with it: every
 * revocation, pause, freeze and deletion that is recorded there is done again, refresh families that were used since end (their
 * clients hold tokens that this vault has never heard of), what was offered is void, since it may have been taken up, what was
 * changed is paused, since the log does not say how, uses are counted, and the log goes on where D1 ends (SECURITY S18). Doing it
 * again changes nothing.
 */
export async function restored(parts: Parts): Promise<Restored> {
  const { restore_watch } = parts;
  try {
    const found = await catchUp(parts);
    restore_watch.isBehind(false);
    return found;
  } catch (fault) {
    // Rows that do not continue this vault's log are a fault or a forgery: by those nothing is stopped.
    if (fault instanceof Problem) restore_watch.isBehind(false);
    throw fault;
  }
}

async function catchUp(parts: Parts): Promise<Restored> {
  const { env, vault_id, audit, tallies, tokens, deletion, gate, jobs } = parts;
  const buried = await env.DB.prepare("SELECT 1 FROM tombstone WHERE vault_id = ?").bind(vault_id).first();
  if (buried !== null) {
    deletion.begin(Date.now());
    gate.bump();
    return { outcome: "deleted" };
  }
  const uses = new LostUses(tokens);
  const other = new OtherLife(audit, (decision, ended) => uses.add(decision, ended));
  const { left } = audit;
  const lasting = await theseRows(env.DB, vault_id, audit.lasting);
  for (const row of lasting) other.add(row);
  for await (const page of laterRows(env.DB, vault_id, left)) {
    for (const row of page) other.add(row);
    if (!other.isNone) parts.restore_watch.isBehind(true);
  }
  // One synchronous step from here: what was written while D1 was read is seen now.
  if (other.isNone) return { outcome: "in_step" };
  const now = Date.now();
  const theirs = other.since(left);
  // What has left meanwhile is counted.
  const leaving = lasting.filter(({ seq }) => audit.at(seq).length > 0);
  const lost = audit.resume(theirs, now);
  tallies.add(leaving.map(readRow));
  tallies.recountAfter(left);
  jobs.plan("recount", now);
  // What was offered then may have been taken up since.
  dropOffers(parts);
  uses.count(parts);
  const replayed = other.changes.filter((decision) => replay(parts, decision, now)).length;
  gate.bump();
  const subject = `${other.lost} rows since ${theirs.fork}`;
  audit.append({ ...BY_VAULT, action: "vault.restored", outcome: "ok", subject, lost }, now);
  await cutAll(parts, "restored");
  return { outcome: "caught_up", rows: other.lost, replayed };
}

/** Of rows that have not left, those that D1 has all the same. */
async function theseRows(db: D1Database, vault_id: string, seqs: readonly number[]): Promise<AuditRow[]> {
  const { results } = await db
    .prepare(
      `SELECT seq, decision, hash, outcome, outcome_hash FROM audit
       WHERE vault_id = ? AND seq IN (SELECT value FROM json_each(?)) ORDER BY seq`,
    )
    .bind(vault_id, JSON.stringify(seqs))
    .all<AuditRow>();
  return results;
}

/** What D1 has beyond what has left for it, as far as this vault remembers. */
async function* laterRows(db: D1Database, vault_id: string, left: number): AsyncGenerator<AuditRow[]> {
  for (let after: number | undefined = left; after !== undefined;) {
    const { results }: D1Result<AuditRow> = await db
      .prepare(
        "SELECT seq, decision, hash, outcome, outcome_hash FROM audit WHERE vault_id = ? AND seq > ? ORDER BY seq LIMIT +?",
      )
      .bind(vault_id, after, ROWS_A_READ)
      .all<AuditRow>();
    yield results;
    after = results.length < ROWS_A_READ ? undefined : results.at(-1)?.seq;
  }
}

/**
 * Takes away again what was taken away, and pauses what was changed: it may have been narrowed. What was given back since stays
 * taken: its owner can give it back once more.
 */
function replay(parts: Parts, { action, outcome, subject, rule, key, actor, spent }: Decision, now: number): boolean {
  const { tokens, grants, keys, families, trusts, webhooks, devices, connected_keys } = parts;
  // A client that gave up one access token of many names none: what it had ends.
  const id = subject ?? actor.id;
  switch (action) {
    case "token.revoke":
    case "token.leak":
    case "session.revoke":
    case "device.revoke":
    case "refresh.reuse":
    case "grant.revoke":
      return end(parts, id, now);
    case "trust.delete":
      trusts.delete(id);
      tokens.revokeChildren(id, now);
      return true;
    case "webhook.delete":
      webhooks.delete(id);
      return true;
    case "device.lock":
    case "device.unlock_deny":
      devices.setReveal(id, null);
      return true;
    case "session.revoke_all":
      return tokens.list("ses", undefined, ALL).filter((session) => end(parts, session.id, now)).length > 0;
    case "identity.unlink":
      return unlink(parts, id, now);
    case "token.refresh":
      return outcome === "ok" && (families.of(id) !== undefined || id.startsWith("grt_")) && end(parts, id, now);
    case "token.exchange":
      return spent !== undefined && trusts.take(spent.hash, Date.parse(spent.until), now);
    case "token.pause":
    case "token.change":
      if (tokens.find(id) === undefined) return false;
      tokens.pause(id, now);
      putOnHold(parts, id);
      return true;
    case "grant.pause":
    case "grant.narrow":
      if (grants.find(id) === undefined) return false;
      grants.pause(id, now);
      putOnHold(parts, id);
      return true;
    case "device.ask_first":
      return askAlways(parts, id);
    case "key.change":
    case "key.rename":
    case "key.rotate":
    case "key.rollback":
      return key !== undefined && stopKey(parts, key, now, { revealable: false, scrub: true });
    case "key.pause":
      return key !== undefined && stopKey(parts, key, now, {});
    case "key.delete":
      if (key !== undefined && keys.find(key) !== undefined) keys.delete(key);
      return key !== undefined;
    case "key.connect":
    case "key.disconnect":
      if (key !== undefined) connected_keys.forget(key, "restored", now);
      return key !== undefined;
    case "alert.settings":
      return watchAgain(parts, id, rule);
    case "vault.freeze":
      tokens.freeze({ at: now, by: actor.id });
      return true;
    default:
      return false;
  }
}

const ALL = 100_000;

/** Who has signed in by it is not known: all sign in again. What was linked since is not there: the last one stays, or nobody would get in. */
function unlink(parts: Parts, named: string, now: number): boolean {
  // An issuer is an address; what it calls somebody may be anything.
  const [, issuer = "", subject = ""] = /^(\S*) (.*)$/s.exec(named) ?? [];
  endSessionsBut(parts, undefined, now);
  const from = mayGoFrom(parts.identities.list(), { issuer, subject }) ?? Infinity;
  return from <= now && parts.identities.remove({ issuer, subject });
}

/** Before which calls a device had to ask nobody knows any more: it asks before each. */
function askAlways({ tokens }: Parts, id: string): boolean {
  const device = tokens.find(id);
  if (device !== undefined) tokens.change(id, { ...device, policy: { ...device.policy, ask: {} } });
  return device !== undefined;
}

/** Where it may have another secret, another place for it or fewer who may see it, the key is shown neither to a device nor in an answer. */
function stopKey(parts: Parts, id: string, now: number, changes: { revealable?: false; scrub?: true }): boolean {
  const { keys } = parts;
  const key = keys.find(id);
  if (key === undefined) return false;
  keys.change(key, changes, now);
  keys.pause(id, now);
  putOnHold(parts, id);
  return true;
}

/** From which setting on what an alert is about is stopped, and then the whole vault. */
const WATCHFUL = ["off", "subject", "vault"] as const;

/** As watchful as its owner had made it in either life: that something was switched off since is not done again. */
function watchAgain({ alerts }: Parts, kind: string, rule: string | undefined): boolean {
  const known = ALERT_KINDS.find((one) => one === kind);
  const told = WATCHFUL.findIndex((one) => rule === `auto_freeze ${one}`);
  if (known === undefined || told < 0) return false;
  const now = WATCHFUL.indexOf(alerts.setting(known).auto_freeze);
  alerts.set(known, { enabled: true, auto_freeze: WATCHFUL[Math.max(told, now)] ?? "off" });
  return true;
}

function end({ tokens, grants }: Parts, id: string, now: number): boolean {
  if (id.startsWith("grt_")) {
    if (grants.find(id) === undefined) return false;
    grants.revoke(id, now);
    tokens.revokeChildren(id, now);
    return true;
  }
  if (tokens.find(id) === undefined) return false;
  tokens.revoke(id, now);
  return true;
}
