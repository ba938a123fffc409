import type { NewAlert } from "./alerts.ts";
import type { Event, Outcome } from "../audit/row.ts";
import { endedBy } from "./live.ts";
import { toldQuestion } from "../calls/manage_approvals.ts";
import type { Parts } from "../parts.ts";
import { raiseAlert } from "./raise.ts";

/** What is done because a row was written or has got its outcome, in the step that writes it: people are told, and the unusual is noticed. */
export function hear(parts: Parts, seq: number, told: { event: Event } | { outcome: Outcome }, now: number): void {
  parts.live.changed(seq);
  if ("outcome" in told) return parts.anomalies.settled(seq, told.outcome, now);
  const { event } = told;
  if (event.outcome === undefined) return parts.anomalies.decided(seq, event, now);
  if (event.outcome === "refused") parts.anomalies.decided(seq, event, now);
  const alert = alertOf(event);
  if (alert !== undefined) raiseAlert(parts, alert, event);
  if (event.outcome === "ok") notify(parts, event, now);
}

/** Rows that are an alert as they stand. */
function alertOf({ action, subject, actor, rule, key, key_name }: Event): NewAlert | undefined {
  if (action === "connection.lost" && key !== undefined)
    return { kind: "reconnect_required", subject: key, name: key_name, key, facts: { why: rule ?? "" } };
  if (subject === undefined) return undefined;
  switch (action) {
    case "refresh.reuse":
      return { kind: "refresh_reuse", subject, name: actor.name, facts: { why: rule ?? "" } };
    case "refresh.shared":
      return { kind: "refresh_shared", subject, name: actor.name };
    case "identity.link":
      return { kind: "identity_linked", subject, name: URL.parse(subject)?.host ?? subject };
    case "identity.unlink": {
      const [issuer = ""] = subject.split(" ");
      // The same kind: a release before would not know another, and could show no alerts at all.
      const facts = { why: "unlinked" };
      return { kind: "identity_linked", subject, name: URL.parse(issuer)?.host ?? issuer, facts };
    }
    default:
      return undefined;
  }
}

/** What webhooks are told of beside alerts. */
function notify(parts: Parts, event: Event, now: number): void {
  const { webhooks } = parts;
  const { action, actor } = event;
  const at = new Date(now).toISOString();
  const subject = endedBy(event);
  if (subject !== undefined && webhooks.any()) webhooks.queue("revocation", { action, subject, actor, at }, now);
  if (action === "approval.ask" || action === "approval.answer") tellQuestion(parts, event, now);
  if (action === "vault.freeze") webhooks.queue("vault.frozen", { actor, at }, now);
  if (action === "vault.unfreeze") webhooks.queue("vault.unfrozen", { actor, at }, now);
}

/** A question was asked or answered: on the live feed, and by a message with a link. */
function tellQuestion(parts: Parts, { action, subject, key, actor }: Event, now: number): void {
  const question = parts.approvals.find(subject ?? "");
  if (question === undefined) return;
  const approval = toldQuestion(parts, question);
  parts.live.say({ type: "approval", approval }, { key, actor });
  parts.webhooks.queue(action === "approval.ask" ? "approval.requested" : "approval.answered", approval, now);
}
