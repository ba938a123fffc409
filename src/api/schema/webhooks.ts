import * as z from "zod";
import { WEBHOOK_EVENTS } from "../../vault/alerts/kinds.ts";
import { listOf, PageOfWhole, pagesOf, time, unique, type Operation } from "./common.ts";

const WebhookEvent = z.enum(WEBHOOK_EVENTS);

export const NewWebhook = z.strictObject({
  url: z.string().min(1).max(2_048),
  events: z.array(WebhookEvent).min(1).max(WebhookEvent.options.length).transform(unique).optional(),
});

export const Webhook = z.object({
  id: z.string(),
  url: z.string(),
  events: z.array(WebhookEvent).optional().meta({ description: "Absent: all" }),
  state: z.enum(["live", "failing", "dead"]),
  waiting: z.int().meta({ description: "Messages that are still to be taken" }),
  created_at: time,
  last_at: time.optional(),
  last_status: z.int().optional(),
});

export const CreatedWebhook = Webhook.extend({
  secret: z.string().meta({ description: "Signs every message (Standard Webhooks); shown once" }),
});
export const WebhookAttempt = z.object({
  taken: z.boolean(),
  status: z.int().optional(),
  latency_ms: z.int(),
  detail: z.string(),
});
export const WebhookDelivery = z.object({
  id: z.string().meta({ description: "The message's own, as the receiver sees it" }),
  event: z.string().meta({ description: "Its type: one of the webhook's events, or `test`" }),
  state: z.enum(["waiting", "taken", "given_up"]),
  created_at: time,
  attempts: z.int(),
  next_at: time.optional().meta({ description: "When it is tried again, at the earliest" }),
  last_at: time.optional(),
  last_status: z.int().optional().meta({ description: "What the receiver answered last; absent: nothing" }),
  latency_ms: z.int().optional(),
  detail: z.string().optional().meta({ description: "How the last attempt ended" }),
});
export const DeletedWebhook = z.object({ id: z.string(), deleted_at: time });

/** Where its owner is told without looking. Turning that off is as good as turning alerts off (SECURITY S3). */
export const WEBHOOK_OPERATIONS = {
  createWebhook: {
    method: "post",
    path: "/webhooks",
    summary: "Have events sent to an address of yours, signed by Standard Webhooks",
    may: ["session_recent"],
    body: NewWebhook,
    answer: CreatedWebhook,
    status: 201,
  },
  listWebhooks: {
    method: "get",
    path: "/webhooks",
    summary: "List webhooks",
    may: ["session"],
    query: PageOfWhole,
    answer: listOf(Webhook),
    status: 200,
  },
  testWebhook: {
    method: "post",
    path: "/webhooks/{id}/test",
    summary: "Send a test message now and tell how it went",
    may: ["session"],
    answer: WebhookAttempt,
    status: 200,
  },
  listDeliveries: {
    method: "get",
    path: "/webhooks/{id}/deliveries",
    summary: "List what was sent to a webhook and how that went: all that waits and the last hundred that do not",
    may: ["session"],
    query: z.strictObject(pagesOf("msg")),
    answer: listOf(WebhookDelivery),
    status: 200,
  },
  redeliver: {
    method: "post",
    path: "/webhooks/{id}/deliveries/{delivery}/redeliver",
    summary: "Send a message again now and tell how it went",
    may: ["session"],
    answer: WebhookAttempt,
    status: 200,
  },
  deleteWebhook: {
    method: "delete",
    path: "/webhooks/{id}",
    summary: "Send nothing more to a webhook",
    may: ["session_recent"],
    answer: DeletedWebhook,
    status: 200,
  },
} as const satisfies Record<string, Operation>;
