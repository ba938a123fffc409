import { Problem } from "../../problem.ts";
import { answer, type Answer } from "../answer.ts";
import type { Origin } from "../audit/row.ts";
import type { Parts } from "../parts.ts";
import { grantsScope, type Scope } from "../policy/scopes.ts";
import { actorOf } from "../tokens/actor.ts";
import type { Authority } from "../tokens/caller.ts";
import type { Token } from "../tokens/token.ts";

/** Somebody at `/v1/mcp`: the grant or device that acts, and what it may do at this moment. */
export type Guest = { id: string; name: string; scopes: readonly Scope[] };

/** How a tool call ended, for its row: never arguments or results (DESIGN D2). `asked`: with a question to its person, whose answer may never come. */
export type ToolCall = {
  tool: string;
  key?: string | undefined;
  outcome: "ok" | "failed" | "refused" | "canceled" | "asked";
  rule?: string | undefined;
  status?: number | undefined;
  latency_ms: number;
};

/** A tool that is called to read: what it needs, the session it is called in, and what its row says of it; `latency_ms` so far. */
export type ReadingTool = Pick<ToolCall, "tool" | "key" | "latency_ms"> & { scope: Scope; session_id: string | null };

/** Whoever holds a token for `/v1/mcp`, whatever its scopes. */
export const GUESTS: readonly Authority[] = [
  "oauth:vault:read",
  "oauth:vault:proxy",
  "oauth:vault:write",
  "oauth:vault:reveal",
  "device",
];

/** A device manages, but is never shown a secret (SECURITY S4). */
const DEVICE_SCOPES: readonly Scope[] = ["vault:read", "vault:proxy", "vault:write"];
const TOOL_LIMIT = 64;

/** Who is there, and whether the session that they name is theirs: a foreign one is as absent as an unknown one. */
export function greet(parts: Parts, by: Token, session_id: string | null): Guest {
  parts.quota.assertRoom(parts.audit.heads.head_seq, Date.now());
  const { id, name } = actorOf(by);
  if (session_id !== null && !parts.mcp_sessions.holds(session_id, id, Date.now()))
    throw new Problem("not_found", "Session not found", { rule: "session" });
  return { id, name, scopes: by.kind === "dev" ? DEVICE_SCOPES : (by.policy.scopes ?? []) };
}

/**
 * A tool that only reads, whole: who is there, what they see, and the row of it. Whoever may not see it at all is told so, and leaves
 * no row: the router asks them for the scope.
 */
export function readForTool<T>(
  parts: Parts,
  by: Token,
  origin: Origin,
  { scope, session_id, ...call }: ReadingTool,
  read: () => T,
): Answer<T> {
  const { scopes } = greet(parts, by, session_id);
  if (!grantsScope(scopes, scope)) throw new Problem("insufficient_scope", `This needs ${scope}.`, { rule: "scopes" });
  const seen = answer(read);
  recordTool(parts, by, origin, { ...call, ...outcomeOf(seen) });
  return seen;
}

function outcomeOf<T>(seen: Answer<T>): Pick<ToolCall, "outcome" | "rule"> {
  if (seen.ok) return { outcome: "ok" };
  const { status, code, extras } = Problem.from(seen.refusal);
  return { outcome: status < 500 ? "refused" : "failed", rule: extras.rule ?? code };
}

export function openSession(parts: Parts, by: Token): string {
  return parts.mcp_sessions.open(actorOf(by).id, Date.now());
}

/** Ends a session by its own client's wish. */
export async function endSession(parts: Parts, by: Token, session_id: string): Promise<void> {
  if (!parts.mcp_sessions.holds(session_id, actorOf(by).id, Date.now()))
    throw new Problem("not_found", "Session not found", { rule: "session" });
  await parts.mcp_sessions.end(session_id, Date.now());
}

/**
 * Marks an answer as used; the second time it is refused. So is one to a question of before a freeze or a restore: of the latter nobody knows
 * whether it was used already (SECURITY S18).
 */
export function spend({ sql }: Parts, nonce: string, expires_at: number, asked_at: number): void {
  const { offers_void_at } = sql.exec<{ offers_void_at: number }>("SELECT offers_void_at FROM vault").one();
  if (asked_at <= offers_void_at) throw usedUp();
  sql.exec("DELETE FROM spent WHERE expires_at <= ?", Date.now());
  const { rowsWritten } = sql.exec(
    "INSERT INTO spent (nonce, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
    nonce,
    expires_at,
  );
  if (rowsWritten === 0) throw usedUp();
}

function usedUp(): Problem {
  const detail = "This answer was used already. Call the tool again from the beginning.";
  return new Problem("invalid_request", detail, { rule: "request_state" });
}

/** Records a tool call that has ended; it is durable before its answer leaves. */
export function recordTool(
  { audit, keys }: Parts,
  by: Token,
  origin: Origin,
  { tool, key: ref, outcome, ...ended }: ToolCall,
): void {
  const key = ref === undefined ? undefined : keys.find(ref);
  const reached = key !== undefined && (by.policy.keys?.includes(key.id) ?? true) ? key : undefined;
  audit.append(
    {
      actor: actorOf(by),
      action: outcome === "asked" ? "tool.ask" : "tool.call",
      outcome: outcome === "asked" ? "ok" : outcome,
      tool: tool.slice(0, TOOL_LIMIT),
      key: reached?.id,
      key_name: reached?.name,
      provider: reached?.destination.provider,
      ...ended,
      ...origin,
    },
    Date.now(),
  );
}
