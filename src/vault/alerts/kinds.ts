/** Kinds which mean that somebody else may be using a token. */
const OFFENCES = ["refresh_reuse", "refresh_shared", "volume", "new_country", "error_burst", "token_leak"] as const;

/** What alerts are about (CONTRACT §5). */
export const ALERT_KINDS = [...OFFENCES, "identity_linked", "expiring", "reconnect_required", "webhook_dead"] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** Whether it means that somebody else may be using a token: such a kind can stop it by itself. */
export function isOffence(kind: AlertKind): boolean {
  return OFFENCES.some((offence) => offence === kind);
}

/** What a webhook can be told of. */
export const WEBHOOK_EVENTS = [
  "alert.raised",
  "revocation",
  "vault.frozen",
  "vault.unfrozen",
  "approval.requested",
  "approval.answered",
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];
