import type * as z from "zod";
import { configOf, type Config } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { mayBeTold } from "../vault/alerts/public_host.ts";
import type { DeliveryRecord } from "../vault/alerts/deliveries.ts";
import type { Webhook as Stored } from "../vault/alerts/webhooks.ts";
import { paged, pageOf, type Handlers } from "./operation.ts";
import type { Webhook, WEBHOOK_OPERATIONS, WebhookDelivery } from "./schema.ts";
import { wireTime } from "./wire.ts";

export const webhookHandlers: Handlers<typeof WEBHOOK_OPERATIONS> = {
  createWebhook: async ({ env, vault, who, body }) => {
    const url = addressOf(body.url, configOf(env));
    const { webhook, secret } = await ask(vault.createWebhook(who.caller, url, body.events ?? null));
    return { ...wireWebhook(webhook), secret };
  },
  listWebhooks: async ({ vault, who, query }) =>
    pageOf((await ask(vault.listWebhooks(who.caller))).map(wireWebhook), query),
  testWebhook: ({ vault, who, param }) => ask(vault.testWebhook(who.caller, param("id"))),
  listDeliveries: async ({ vault, who, param, query: { limit, cursor } }) => {
    const deliveries = await ask(vault.listDeliveries(who.caller, param("id"), cursor, limit + 1));
    return paged(deliveries.map(wireDelivery), limit, ({ id }) => id);
  },
  redeliver: ({ vault, who, param }) => ask(vault.redeliver(who.caller, param("id"), param("delivery"))),
  deleteWebhook: async ({ vault, who, param }) => {
    const { id, deleted_at } = await ask(vault.deleteWebhook(who.caller, param("id")));
    return { id, deleted_at: wireTime(deleted_at) };
  },
};

/** An address that messages may be sent to, in its plain spelling. Its query may hold a key of the receiver's, and is kept. */
function addressOf(text: string, config: Config): string {
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "" || url.hash !== "" || /[\\\s]/.test(text))
    throw invalid("must be a plain URL without user or fragment");
  if (!mayBeTold(config, url)) throw invalid("must be https: on a public host, and none of our own");
  return url.href;
}

function invalid(rule: string): Problem {
  return new Problem("invalid_request", `url: ${rule}.`, { errors: [{ field: "url", rule }] });
}

export function wireWebhook(webhook: Stored): z.output<typeof Webhook> {
  const { id, url, events, created_at, waiting, last_at, last_status, dead_at, failing_since } = webhook;
  return {
    id,
    url,
    events: events === null ? undefined : [...events],
    state: dead_at !== null ? "dead" : failing_since !== null ? "failing" : "live",
    waiting,
    created_at: wireTime(created_at),
    last_at: last_at === null ? undefined : wireTime(last_at),
    last_status: last_status ?? undefined,
  };
}

function wireDelivery(delivery: DeliveryRecord): z.output<typeof WebhookDelivery> {
  const { id, event, state, created_at, attempts, due_at, last_at, last_status, latency_ms, detail } = delivery;
  return {
    id,
    event,
    state,
    created_at: wireTime(created_at),
    attempts,
    next_at: due_at === null ? undefined : wireTime(due_at),
    last_at: last_at === null ? undefined : wireTime(last_at),
    last_status: last_status ?? undefined,
    latency_ms: latency_ms ?? undefined,
    detail: detail ?? undefined,
  };
}
