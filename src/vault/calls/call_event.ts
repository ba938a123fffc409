import { createHash } from "node:crypto";
import { withoutTokens } from "../../crypto/token.ts";
import type { Event } from "../audit/row.ts";
import type { ApiKey } from "../keys/key.ts";
import { actorOf } from "../tokens/actor.ts";
import type { Token } from "../tokens/token.ts";
import type { Wish } from "./approvals.ts";
import type { Ask } from "./dispatch.ts";

const PATH_LIMIT = 512;
const AGENT_LIMIT = 256;

/** A call as it is recorded. */
export function eventOf(token: Token, key: ApiKey | undefined, ask: Omit<Ask, "hash">, action: string): Event {
  return {
    actor: actorOf(token),
    token: token.kind === "oat" ? token.id : undefined,
    generation: token.generation,
    action,
    rule: ask.overlap === true ? "overlap" : ask.stale === undefined ? undefined : "renewal",
    key: key?.id,
    key_version: key?.version,
    key_name: key?.name,
    provider: key?.destination.provider,
    method: ask.method,
    overridden: ask.overridden || undefined,
    host: key?.destination.origin.replace(/^https?:\/\//, ""),
    path: recordedPath(ask.path === "" ? "/" : ask.path),
    ip: ask.ip,
    country: ask.country,
    user_agent: ask.user_agent.slice(0, AGENT_LIMIT),
  };
}

/** The question that a call would be. Its path is shown as it is recorded, in visible ASCII: nothing in it may look like more. */
export function wishOf(
  token: Token,
  key: ApiKey,
  ask: Omit<Ask, "hash">,
  event: Event,
  { asking, path }: { asking: readonly string[]; path: { raw: string } },
): Wish {
  const { id: actor, name: token_name } = event.actor;
  return {
    actor,
    token_id: token.id,
    token_name,
    asking,
    key,
    method: ask.method,
    path: path.raw,
    shown_path: (event.path ?? "/").replace(/[^\x21-\x7e…]/gu, (character) => encodeURIComponent(character)),
    content: ask.content,
    is_second_try: ask.overlap === true || ask.stale !== undefined,
    ip: ask.ip,
    country: ask.country,
  };
}

/** Paths are recorded to 512 bytes and, beyond, by their hash; what looks like a token of ours is not (SECURITY S14, S17). */
function recordedPath(path: string): string {
  const decoded = decodeURIComponentLoosely(path);
  const safe = withoutTokens(withoutTokens(decoded) === decoded ? path : decoded);
  if (safe.length <= PATH_LIMIT) return safe;
  return `${safe.slice(0, PATH_LIMIT)}…sha256=${createHash("sha256").update(path).digest("hex")}`;
}

function decodeURIComponentLoosely(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
