import type { Connection } from "partyserver";
import { Problem } from "../../problem.ts";
import { actorOf } from "../tokens/actor.ts";
import { activityRow, type ActivityRow } from "../audit/activity_row.ts";
import type { ToldAlert } from "./alert_told.ts";
import type { ToldQuestion } from "../calls/manage_approvals.ts";
import type { Audit } from "../audit/audit.ts";
import type { Event } from "../audit/row.ts";
import type { Caller } from "../tokens/caller.ts";
import type { Jobs } from "../jobs.ts";
import { tagOf, type Connections } from "../calls/leashes.ts";
import { CUT } from "../calls/telling.ts";
import { judgeToken } from "../policy/checks.ts";
import type { Token } from "../tokens/token.ts";
import type { Tokens } from "../tokens/tokens.ts";

/** What a listener is told. `activity` comes at the decision and again with the outcome, under the same `id`. */
export type LiveEvent =
  | { type: "ready"; seq: number }
  | { type: "activity"; row: ActivityRow }
  | { type: "revocation"; action: string; subject: string; at: string }
  | { type: "frozen"; at: string }
  | { type: "alert"; alert: ToldAlert }
  | { type: "approval"; approval: ToldQuestion }
  | { type: "skipped" };

/** What a listener's connection remembers through hibernation: who listens, and how much was sent. */
export type LiveState = { listener: string; sent_bytes: number };

const LISTENERS = 20;
/** A row a screen cannot show any more is left out; listeners are told that some were, and can read the activity. */
const ROWS_A_SECOND = 50;
/** The runtime tells no buffered amount: a feed that ends and is opened again bounds what a reader that stops can cost. */
const BYTES_A_CONNECTION = 4 * 1024 * 1024;
/** Try again (RFC 6455's registry: 1013). */
const AGAIN = 1013;
const CALLER = "x-live-caller";

/** The request by which a router opens a feed for somebody: made afresh, nothing of the client's is in it. */
export function listenRequest(caller: Caller): Request {
  const named = Buffer.from(JSON.stringify(caller)).toString("base64url");
  const headers = { upgrade: "websocket", [CALLER]: named };
  return new Request(`https://vault/live?_pk=${crypto.randomUUID()}`, { headers });
}

/** Who wants to listen; undefined for a request that is about something else. */
export function listenerIn({ headers }: Request): Caller | undefined {
  const named = headers.get(CALLER);
  return named === null ? undefined : (JSON.parse(Buffer.from(named, "base64url").toString()) as Caller);
}

export function isListener(connection: Connection): boolean {
  return (connection.state as Partial<LiveState> | null)?.listener !== undefined;
}

/**
 * The live feed: hibernating connections of the dashboard and of devices. What is told goes to those that may see it, judged
 * at the moment of telling: nothing is ever sent for a token that has died, and a choice of keys filters here too
 * (SECURITY S22, S24). Without a listener nothing is read and nothing put into words.
 */
export class Live {
  readonly #connections: Connections;
  readonly #audit: Audit;
  readonly #tokens: Tokens;
  readonly #jobs: Jobs;
  /** How many listen; counted afresh after a wake. */
  #listeners: number | undefined;
  #window = { since: 0, rows: 0 };
  #telling_skipped = false;

  constructor(parts: { connections: Connections; audit: Audit; tokens: Tokens; jobs: Jobs }) {
    this.#connections = parts.connections;
    this.#audit = parts.audit;
    this.#tokens = parts.tokens;
    this.#jobs = parts.jobs;
  }

  /** Refuses one listener too many. */
  assertRoom(): void {
    this.#listeners = undefined;
    if (this.#count() >= LISTENERS)
      throw new Problem("rate_limited", `A vault has at most ${LISTENERS} live feeds open at once.`, {
        rule: "live_feeds",
        retry_after_s: 10,
      });
  }

  tags({ id, parent_id }: Token): string[] {
    return [tagOf.all, tagOf.live, tagOf.token(id), ...(parent_id === null ? [] : [tagOf.token(parent_id)])];
  }

  /** Somebody listens now. The feed begins after the row `seq`: what came before is read from the activity. */
  opened(connection: Connection<LiveState>, token: Token): void {
    connection.setState({ listener: token.hash, sent_bytes: 0 });
    this.#listeners = undefined;
    this.#closeAt(token);
    this.#send(connection, JSON.stringify({ type: "ready", seq: this.#audit.heads.head_seq } satisfies LiveEvent));
  }

  closed(): void {
    this.#listeners = undefined;
  }

  /** A row was written or has got its outcome. */
  changed(seq: number): void {
    if (this.#count() === 0) return;
    const [stored] = this.#audit.at(seq);
    if (stored === undefined) return;
    const row = activityRow(stored);
    const told = consequenceOf(row);
    if (told !== undefined) this.say(told, row);
    if (this.#hasTime()) this.say({ type: "activity", row }, row);
  }

  /** Tells everybody who may know what it is about. */
  say(event: LiveEvent, { key, actor }: Pick<ActivityRow, "key"> & { actor?: { id: string } | undefined }): void {
    if (this.#count() === 0) return;
    let text: string | undefined;
    for (const [connection, token] of this.#listening()) {
      if (mayHear(token, key, actor?.id)) this.#send(connection, (text ??= JSON.stringify(event)));
    }
  }

  /** Ends the feeds of tokens that have expired or died. */
  expire(): void {
    for (const [_connection, token] of this.#listening()) this.#closeAt(token);
  }

  /** Listeners with their tokens as they stand now; whose token is dead is cut. */
  *#listening(): Generator<[Connection<LiveState>, Token]> {
    for (const connection of this.#connections.getConnections(tagOf.live) as Iterable<Connection<LiveState>>) {
      if (!isListener(connection)) continue;
      const token = this.#tokens.byHash(connection.state?.listener ?? "");
      const denial = token === undefined ? undefined : judgeToken({ token, now: Date.now() }, "read");
      if (token === undefined || denial !== undefined) connection.close(CUT, denial?.rule ?? "gone");
      else yield [connection, token];
    }
  }

  #closeAt({ expires_at }: Token): void {
    if (expires_at !== null) this.#jobs.plan("expire_feeds", expires_at);
  }

  #count(): number {
    this.#listeners ??= [...this.#connections.getConnections(tagOf.live)].filter(isListener).length;
    return this.#listeners;
  }

  #hasTime(): boolean {
    const now = Date.now();
    if (now - this.#window.since >= 1_000) this.#window = { since: now, rows: 0 };
    if (++this.#window.rows <= ROWS_A_SECOND) return true;
    if (!this.#telling_skipped) {
      this.#telling_skipped = true;
      setTimeout(() => {
        this.#telling_skipped = false;
        for (const [connection] of this.#listening()) this.#send(connection, SKIPPED);
      }, 1_000);
    }
    return false;
  }

  /** Never throws: a listener's trouble is nothing to whoever is being decided about. */
  #send(connection: Connection<LiveState>, text: string): void {
    const { listener = "", sent_bytes = 0 } = connection.state ?? {};
    try {
      if (sent_bytes >= BYTES_A_CONNECTION) return connection.close(AGAIN, "open it again");
      connection.setState({ listener, sent_bytes: sent_bytes + text.length });
      connection.send(text);
    } catch {
      // It has closed in the meantime.
    }
  }
}

const SKIPPED = JSON.stringify({ type: "skipped" } satisfies LiveEvent);

/** With a choice of keys: what is about one of them, and what the listener did itself. A device manages all; its choice is for calls. */
function mayHear(token: Token, key: string | undefined, actor: string | undefined): boolean {
  const keys = token.kind === "dev" ? undefined : token.policy.keys;
  if (keys === undefined) return true;
  return key === undefined ? actor === actorOf(token).id : keys.includes(key);
}

/** What a row means beyond itself. */
function consequenceOf({ action, outcome, subject, key, at }: ActivityRow): LiveEvent | undefined {
  if (outcome !== "ok") return undefined;
  if (action === "vault.freeze") return { type: "frozen", at };
  const ended = endedBy({ action, subject, key });
  return ended === undefined ? undefined : { type: "revocation", action, subject: ended, at };
}

/** The id of the token, key, device, grant or session that an action has ended; undefined for any other action. */
export function endedBy({ action, subject, key }: Pick<Event, "action" | "subject" | "key">): string | undefined {
  return /\.revoke$|^key\.delete$|^token\.leak$/.test(action) ? (subject ?? key) : undefined;
}
