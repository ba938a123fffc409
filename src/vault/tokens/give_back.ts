import { Problem } from "../../problem.ts";
import { recognise, type Caller } from "./caller.ts";
import { record, type Parts } from "../parts.ts";
import type { Token } from "./token.ts";

/**
 * Takes back a revocation that a client made (SECURITY S21): what it ended lives again, with all that died of it then. What was
 * open was cut, and sessions are over: clients come again by themselves. A router may remember for a minute that a token was dead.
 */
export function giveBack(parts: Parts, caller: Caller, id: string, action: string): void {
  const { tokens, grants, regrets, gate } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  const token = tokens.find(id);
  if (token !== undefined) {
    tokens.assertRoom(token.kind, now);
    assertParentsLive(parts, token);
  } else if (grants.find(id) !== undefined) grants.assertRoom(now);
  const ended = regrets.take(id, now);
  if (ended === undefined) throw new Problem("not_found", "No client has revoked this within the last seven days.");
  for (const each of ended)
    if (grants.find(each) === undefined) tokens.reinstate(each);
    else grants.reinstate(each);
  gate.bump();
  record(parts, by, caller, action, { subject: id });
}

/** A token outlives nothing that it was minted by (SECURITY S3): where a parent has ended since, it stays ended too. */
function assertParentsLive({ tokens, grants }: Parts, token: Token): void {
  const isLive = (id: string) => (tokens.find(id) ?? grants.find(id))?.revoked_at === null;
  if (!tokens.ancestors(token).every(isLive))
    throw new Problem("conflict", "What this was minted by has been revoked; it cannot live again without that.");
}
