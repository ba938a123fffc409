import { Webhook as Signer } from "standardwebhooks";
import { configOf } from "../../config.ts";
import { logFault } from "../../problem.ts";
import type { Parts } from "../parts.ts";
import { mayBeTold } from "./public_host.ts";
import { raiseAlert } from "./raise.ts";
import type { Attempt, Delivery } from "./deliveries.ts";
import type { Webhook } from "./webhooks.ts";

const PATIENCE_MS = 10_000;

/** Makes the one attempt that is due. One at a time: a vault shares six outbound connections with all that it does. */
export async function deliverNext(parts: Parts, now: number): Promise<void> {
  const { webhooks, deliveries } = parts;
  const due = deliveries.due(now);
  if (due !== undefined) {
    const webhook = webhooks.must(due.webhook_id);
    const attempt = await deliverNow(parts, webhook, due);
    if (!attempt.taken && webhooks.refused(webhook.id, attempt.status, Date.now())) giveUp(parts, webhook);
  }
  deliveries.plan(Date.now());
}

/** Sends a message, due or not, and notes how that went. One that is not taken is held against nobody: it may have been asked for. */
export async function deliverNow(parts: Parts, webhook: Webhook, delivery: Delivery): Promise<Attempt> {
  const attempt = await deliver(parts, webhook, delivery);
  const ended_at = Date.now();
  parts.deliveries.tried(delivery, attempt, ended_at);
  if (attempt.taken) parts.webhooks.took(webhook.id, attempt.status ?? 0, ended_at);
  return attempt;
}

/** Signs a message and sends it. Never throws: whatever goes wrong is an attempt that failed. */
async function deliver(parts: Parts, webhook: Webhook, delivery: Delivery): Promise<Attempt> {
  const started_at = Date.now();
  const ended = (taken: boolean, detail: string, status?: number): Attempt => ({
    taken,
    status,
    latency_ms: Date.now() - started_at,
    detail,
  });
  if (!mayBeTold(configOf(parts.env), new URL(webhook.url))) return ended(false, "This address may not be sent to.");
  try {
    const secret = await secretOf(parts, webhook.id);
    const sent_at = new Date();
    const answer = await fetch(webhook.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "apilocker-webhooks",
        "webhook-id": delivery.id,
        "webhook-timestamp": String(Math.floor(sent_at.getTime() / 1_000)),
        "webhook-signature": new Signer(secret).sign(delivery.id, sent_at, delivery.body),
      },
      body: delivery.body,
      // Followed, it would carry a signed message to an address that nobody has named or vetted.
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    // Nothing of it is read: it could be of any size.
    void answer.body?.cancel().catch(() => {});
    const { status, ok } = answer;
    if (ok) return ended(true, "It was taken.", status);
    return ended(
      false,
      status >= 300 && status < 400 ? "The receiver redirects, which is not followed." : "The receiver refused it.",
      status,
    );
  } catch (fault) {
    logFault("webhook_not_delivered", fault, { webhook: webhook.id });
    return ended(
      false,
      Date.now() - started_at >= PATIENCE_MS
        ? "The receiver did not answer within ten seconds."
        : "The receiver could not be reached.",
    );
  }
}

/** Under which name a webhook's secret is sealed. */
export function sealedName(id: string): string {
  return `webhook/${id}`;
}

async function secretOf({ sealer, webhooks }: Parts, id: string): Promise<string> {
  return new TextDecoder().decode(await sealer.openValue(sealedName(id), webhooks.sealedSecret(id)));
}

function giveUp(parts: Parts, { id, url }: Webhook): void {
  parts.deliveries.giveUp(id);
  raiseAlert(parts, { kind: "webhook_dead", subject: id, name: new URL(url).host });
}
