import { randomBytes } from "node:crypto";
import { utf8 } from "../../crypto/encoding.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import { deliverNow, sealedName } from "./deliver.ts";
import type { Attempt, Delivery } from "./deliveries.ts";
import { record, type Parts } from "../parts.ts";
import { bodyOf, type Webhook } from "./webhooks.ts";
import type { WebhookEvent } from "./kinds.ts";

/** A new webhook. Its secret is answered once; at rest it is sealed. */
export async function createWebhook(
  parts: Parts,
  caller: Caller,
  url: string,
  events: readonly WebhookEvent[] | null,
): Promise<{ webhook: Webhook; secret: string }> {
  const { webhooks, sealer, tokens } = parts;
  recognise(tokens, caller, Date.now());
  webhooks.assertRoom();
  const id = webhooks.newId("whk", Date.now());
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const sealed = await sealer.sealValue(sealedName(id), utf8(secret));
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  const webhook = webhooks.add(id, url, events, sealed, now);
  record(parts, by, caller, "webhook.create", { subject: id, host: new URL(url).host });
  return { webhook, secret };
}

/** Nothing more is sent there, not even what waits. */
export function deleteWebhook(parts: Parts, caller: Caller, id: string): { id: string; deleted_at: number } {
  const deleted_at = Date.now();
  const by = recognise(parts.tokens, caller, deleted_at);
  const { url } = parts.webhooks.must(id);
  parts.webhooks.delete(id);
  record(parts, by, caller, "webhook.delete", { subject: id, host: new URL(url).host });
  return { id, deleted_at };
}

/** Sends a message of type `test` now, whatever waits, and tells how it went. It is not tried again. */
export function testWebhook(parts: Parts, caller: Caller, id: string): Promise<Attempt> {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const webhook = parts.webhooks.must(id);
  record(parts, by, caller, "webhook.test", { subject: id, host: new URL(webhook.url).host });
  const delivery = parts.deliveries.byHand(id, bodyOf("test", { webhook: id }, now), now);
  return sendByHand(parts, webhook, delivery);
}

/** Sends a message again, now, whatever became of it, and tells how it went. Its id is the same, so a receiver knows it again. */
export function redeliver(parts: Parts, caller: Caller, id: string, message: string): Promise<Attempt> {
  const by = recognise(parts.tokens, caller, Date.now());
  const webhook = parts.webhooks.must(id);
  const delivery = parts.deliveries.must(id, message);
  record(parts, by, caller, "webhook.redeliver", { subject: id, host: new URL(webhook.url).host });
  return sendByHand(parts, webhook, delivery);
}

async function sendByHand(parts: Parts, webhook: Webhook, delivery: Delivery): Promise<Attempt> {
  const attempt = await parts.outbound.run(() => deliverNow(parts, webhook, delivery));
  // A receiver that is well again is not left alone any longer.
  parts.deliveries.plan(Date.now());
  return attempt;
}
