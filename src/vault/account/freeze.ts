import { Problem } from "../../problem.ts";
import { accountIdOf } from "./account.ts";
import { actorOf } from "../tokens/actor.ts";
import type { Actor, Origin } from "../audit/row.ts";
import { dropAuthorizations } from "../tokens/authorizations.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import { cutAll, cutTokens, lastUse } from "../tokens/ending.ts";
import { dropPageLinks } from "../keys/page_links.ts";
import { dropConnectLinks } from "../connections/manage_connections.ts";
import { isFresh } from "./frozen.ts";
import { record, type Parts } from "../parts.ts";
import type { Receipt } from "../receipt.ts";

/** Stops everything at once, for anyone (SECURITY S15). Whoever freezes a frozen vault again is told of the freeze that stands. */
export function freezeVault(parts: Parts, caller: Caller): Promise<Receipt> {
  return freeze(parts, actorOf(recognise(parts.tokens, caller, Date.now(), "always")), caller.origin);
}

/**
 * The freeze itself, whoever asks for it: tokens are judged frozen, offers are void and that is recorded, all in one step;
 * then all that is open is cut.
 */
export async function freeze(parts: Parts, by: Actor, origin: Origin): Promise<Receipt> {
  const { tokens, gate, audit, keys } = parts;
  if (tokens.frozen === null) {
    const now = Date.now();
    tokens.freeze({ at: now, by: by.id });
    dropOffers(parts);
    gate.bump();
    audit.append({ actor: by, action: "vault.freeze", outcome: "ok", ...origin }, now);
  }
  const revoked_at = tokens.frozen?.at ?? 0;
  const ended = await cutAll(parts, "frozen");
  return { id: accountIdOf(parts), revoked_at, last_used_at: lastUse(parts, keys.lastUsedAt()), ...ended };
}

/** Takes the freeze away: only by a sign-in after it. Every older session ends, since one of them may be a thief's. */
export async function unfreezeVault(parts: Parts, caller: Caller): Promise<void> {
  const { tokens, gate } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now, "stop");
  const { frozen } = tokens;
  if (frozen === null) return;
  if (!isFresh(by, frozen))
    throw new Problem("frozen", "Unfreezing needs a sign-in after the freeze.", { rule: "frozen" });
  const ended = tokens.sessions(now, frozen).flatMap((id) => tokens.revoke(id, now));
  tokens.freeze(null);
  gate.bump();
  record(parts, by, caller, "vault.unfreeze", {});
  await cutTokens(parts, ended, "revoked");
}

/** What was offered before a freeze, or a restore, and could be taken up later: gone for good, also when it thaws. */
export function dropOffers(parts: Parts): void {
  dropPageLinks(parts);
  dropConnectLinks(parts);
  parts.devices.dropApprovals();
  dropAuthorizations(parts);
  parts.approvals.drop();
  parts.sql.exec("UPDATE vault SET offers_void_at = ?", Date.now());
}
