import type { Alert } from "./alerts.ts";
import type { AlertKind } from "./kinds.ts";

/** What an alert means and what to do about it, in our words; names in it are quoted. */
const WORDS: Record<AlertKind, (alert: Alert) => { title: string; detail: string; fix: string }> = {
  refresh_reuse: (alert) => ({
    title: "A refresh token was used twice",
    detail: `Somebody showed a refresh token of ${named(alert)} that had been replaced. All tokens of its family were ended.`,
    fix: "Find out where the token was copied to, then mint a new one.",
  }),
  refresh_shared: (alert) => ({
    title: "Two clients seem to share one refresh token",
    detail: `Refreshes of ${named(alert)} came out of order three generations running.`,
    fix: "Give each client a token of its own.",
  }),
  volume: (alert) => ({
    title: "Far more calls than usual",
    detail: `${named(alert)} made ${alert.facts.calls} calls within one ${alert.facts.within}; usual are about ${alert.facts.usual}.`,
    fix: "If that was not you, revoke the token.",
  }),
  new_country: (alert) => ({
    title: "Used from a country for the first time",
    detail: `${named(alert)} was used from ${alert.facts.country}, where it had never been used before.`,
    fix: "If that was not you, revoke the token.",
  }),
  error_burst: (alert) => ({
    title: "Far more failures than usual",
    detail: `${alert.facts.errors} of ${alert.facts.calls} calls of ${named(alert)} failed or were refused within five minutes.`,
    fix: "Look at its activity: the key may be dead, or somebody may be trying things.",
  }),
  token_leak: (alert) => ({
    title: "A token has leaked",
    detail: `Somebody reported the text of ${named(alert)}. It was revoked at once.`,
    fix: "Mint another, and look at the activity of the leaked one.",
  }),
  identity_linked: (alert) =>
    alert.facts.why === "unlinked"
      ? {
          title: "A sign-in was taken from this account",
          detail: `An account at ${named(alert)} can sign in here no more, and every other browser was signed out.`,
          fix: "If that was not you, freeze the vault and unlink what you do not know.",
        }
      : {
          title: "Another sign-in was added to this account",
          detail: `An account at ${named(alert)} can sign in here from now on.`,
          fix: "If that was not you, freeze the vault and sign out everywhere.",
        },
  expiring: (alert) => ({
    title: "Something expires soon",
    detail: `${named(alert)} expires at ${alert.facts.expires_at}.`,
    fix: "Replace it before it does.",
  }),
  reconnect_required: (alert) => ({
    title: "A connection to a provider is broken",
    detail:
      alert.facts.why === "answer_lost"
        ? `The provider's answer to a renewal of ${named(alert)} was lost on the way, and it does not give it again.`
        : `The provider does not accept the credential of ${named(alert)} any more.`,
    fix: "Connect it again.",
  }),
  webhook_dead: (alert) => ({
    title: "A webhook was given up",
    detail: `${named(alert)} took nothing for a whole day. Nothing is sent there any more.`,
    fix: "Repair the receiver, then create the webhook again.",
  }),
};

/** The words of an alert. */
export function wordsOf(alert: Alert): { title: string; detail: string; fix: string } {
  return WORDS[alert.kind](alert);
}

function named({ name, subject }: Alert): string {
  return name === null ? subject : `“${name}”`;
}
