import type { Actor } from "../audit/row.ts";
import type { ApprovalDecision, Question } from "./approvals.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import { tagOf } from "./leashes.ts";
import { record, type Parts } from "../parts.ts";
import { plain } from "../plain.ts";
import { Problem } from "../../problem.ts";
import type { Token } from "../tokens/token.ts";

/** A question as it is told. `waiting`: the client is still there. */
export type ToldQuestion = {
  id: string;
  url: string;
  actor: Pick<Actor, "id" | "name">;
  key: { id: string; name: string };
  method: string;
  host: string;
  path: string;
  ip: string;
  country: string;
  asked_at: string;
  expires_at: string;
  waiting: boolean;
  decision?: ApprovalDecision | undefined;
};

export function toldQuestion({ approvals, leashes }: Parts, question: Question): ToldQuestion {
  const { id, actor, token_name, key_id, key_name, method, host, shown_path, ip, country, decision } = question;
  return {
    id,
    url: approvals.urlOf(id),
    // A program may have chosen it: nothing in it turns the text around it, or hides.
    actor: { id: actor, name: plain(token_name) },
    key: { id: key_id, name: key_name },
    method,
    host,
    path: shown_path,
    ip,
    country,
    asked_at: new Date(question.created_at).toISOString(),
    expires_at: new Date(question.expires_at).toISOString(),
    waiting: leashes.anyUnder(tagOf.question(id)),
    decision: decision ?? undefined,
  };
}

export function listQuestions(parts: Parts): ToldQuestion[] {
  return parts.approvals.open(Date.now()).map((question) => toldQuestion(parts, question));
}

/** A question that can still be answered, or was lately. */
export function readQuestion(parts: Parts, id: string): ToldQuestion {
  return toldQuestion(parts, parts.approvals.must(id));
}

/**
 * Answers a question; whoever waits for it is told at once. Nobody answers for what stems from themselves, and only a person in
 * the browser changes a policy (SECURITY S3).
 */
export function answerQuestion(parts: Parts, caller: Caller, id: string, decision: ApprovalDecision): ToldQuestion {
  const { approvals, tokens, keys, leashes } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  const question = approvals.must(id);
  if (decision !== "no") assertMayAllow(parts, by, question, decision);
  const key = keys.must(question.key_id);
  if (new URL(key.destination.origin).host !== question.host)
    throw new Problem("conflict", "The key leads to another host now. Let the program ask again.");
  const answered = approvals.answer(question, key, decision, now);
  if (decision === "always")
    for (const token_id of question.asking) {
      const { key_id: key, host, method, path } = question;
      tokens.allowAlways(token_id, { key, host, method, path });
    }
  const { key_id, key_name, method, host, shown_path: path } = question;
  record(parts, by, caller, "approval.answer", {
    subject: id,
    rule: decision,
    key: key_id,
    key_name,
    method,
    host,
    path,
  });
  leashes.tell(tagOf.question(id), ANSWERED);
  return toldQuestion(parts, answered);
}

/** So many calls wait for one answer at once: it costs whoever sends them nothing, and no limit counts them yet. */
export const WAITING_AT_ONCE = 100;
/** How a router is told that there are as many (429). */
export const NO_ROOM = 429;

/** What a waiting router is told, whatever the answer: it asks the vault what it means. */
export const ANSWERED = "answered";

function assertMayAllow({ tokens }: Parts, by: Token, question: Question, decision: ApprovalDecision): void {
  if (by.kind === "ses") return;
  if (decision === "always") throw new Problem("insufficient_scope", "Only a person in the browser changes a policy.");
  const asker = tokens.find(question.token_id);
  if (asker === undefined || asker.id === by.id || tokens.ancestors(asker).includes(by.id))
    throw new Problem(
      "insufficient_scope",
      "A device does not answer for what it minted: a person does, in the browser.",
    );
}
