import { Webhook as Signer } from "standardwebhooks";
import { configOf } from "../../config.ts";
import { logFault } from "../../problem.ts";
import type { Parts } from "../parts.ts";
import { mayBeTold } from "./public_host.ts";
import { raiseAlert } from "./raise.ts";
import type { Delivery, Webhook } from "./webhooks.ts";

/** How an attempt ended, in our words: of the receiver's answer only the status is told. */
export type Attempt = { taken: boolean; status?: number | undefined; latency_ms: number; detail: string };

const PATIENCE_MS = 10_000;

/** Makes the one attempt that is due. One at a time: a vault shares six outbound connections with all that it does. */
export async function deliverNext(parts: Parts, now: number): Promise<void> {
  const { webhooks } = parts;
  const due = webhooks.due(now);
  if (due !== undefined) {
    const attempt = await deliver(parts, due.webhook, due.delivery);
    const ended_at = Date.now();
    if (attempt.taken) webhooks.taken(due.delivery, attempt.status ?? 0, ended_at);
    else if (webhooks.refused(due.delivery, attempt.status, ended_at)) giveUp(parts, due.webhook);
  }
  webhooks.plan(Date.now());
}

/** Signs a message and sends it. Never throws: whatever goes wrong is an attempt that failed. */
export async function deliver(
  parts: Parts,
  webhook: Webhook,
  delivery: Pick<Delivery, "id" | "body">,
): Promise<Attempt> {
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
  raiseAlert(parts, { kind: "webhook_dead", subject: id, name: new URL(url).host });
}
