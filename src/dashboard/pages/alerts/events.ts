import type { Answer } from "../../data/api.ts";

export type Webhook = Answer<"GET /webhooks">["items"][number];
export type Event = NonNullable<Webhook["events"]>[number];

/** What a webhook can be told of, in words. */
export const EVENTS: Record<Event, string> = {
  "alert.raised": "An alert is raised",
  revocation: "Something is revoked",
  "approval.requested": "A call waits for your yes",
  "approval.answered": "Somebody answered it",
  "vault.frozen": "Everything is frozen",
  "vault.unfrozen": "It is in use again",
};
