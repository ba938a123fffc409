import { Problem } from "../../problem.ts";
import { lifeEnd, recognise, type Caller } from "./caller.ts";
import { appToken } from "./manage_tokens.ts";
import { record, type Parts } from "../parts.ts";
import type { Token } from "./token.ts";

/**
 * A device keeps a token alive that it minted for a command while the command runs. It could mint another for as long, so this
 * gives nothing away; what was revoked stays so, and what expired while the computer slept goes on.
 */
export function keepToken(parts: Parts, caller: Caller, id: string, for_ms: number): Token {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const { parent_id, revoked_at, expires_at } = appToken(parts, id);
  if (parent_id !== by.id || expires_at === null) throw new Problem("not_found", "This device minted no such token.");
  if (revoked_at !== null) throw new Problem("conflict", "A revoked token stays revoked.");
  parts.tokens.touch(id, now, Math.min(Math.max(expires_at, now + for_ms), lifeEnd("dev", by.created_at)));
  record(parts, by, caller, "token.keep", { subject: id });
  return appToken(parts, id);
}
