import type { Parts } from "../parts.ts";
import { actorOf } from "../tokens/actor.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import type { Token } from "../tokens/token.ts";

/** What a client may want to do that takes something away. */
export type Act = "delete_key" | "revoke_token" | "revoke_device" | "revoke_client" | "freeze_vault";

/** Such a wish: of what id, and the name that its person knows it by. */
export type Deed = { act: Act; subject: string; name: string };

/** Takes the yes that this caller's person gave to this deed on a page, if they did: it is good for once. */
export function takeAgreement(parts: Parts, caller: Caller, deed: Deed): boolean {
  const by = recognise(parts.tokens, caller, Date.now());
  const { rowsWritten } = parts.sql.exec(
    `DELETE FROM page_link WHERE ${SAME_DEED} AND used_at IS NOT NULL AND expires_at > ?`,
    ...deedOf(by, deed),
    Date.now(),
  );
  return rowsWritten > 0;
}

/** Voids pages on which the same was asked before. */
export function dropQuestions({ sql }: Parts, by: Token, deed: Deed): void {
  sql.exec(`DELETE FROM page_link WHERE ${SAME_DEED}`, ...deedOf(by, deed));
}

/** Pages that ask for the same thing at the same client's wish. */
const SAME_DEED =
  "asked_by_id = ? AND errand ->> '$.kind' = 'agree' AND errand ->> '$.act' = ? AND errand ->> '$.subject' = ?";

function deedOf(by: Token, { act, subject }: Deed): string[] {
  return [actorOf(by).id, act, subject];
}
