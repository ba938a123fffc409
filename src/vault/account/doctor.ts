import type { Webhook } from "../alerts/webhooks.ts";
import type { Device } from "../tokens/devices.ts";
import type { Freeze } from "./frozen.ts";
import type { ApiKey } from "../keys/key.ts";
import { grantsScope } from "../policy/scopes.ts";
import type { Grant } from "../tokens/grants.ts";
import type { AppToken } from "../tokens/manage_tokens.ts";
import type { Token } from "../tokens/token.ts";

/** Something that its owner should look at. `subject` is the id of what it is about; for the whole vault, of who froze it. */
export type Finding = { severity: "warning" | "notice"; code: string; subject: string; detail: string; fix: string };

/** What is examined: keys with the time of their current version, app tokens, devices, connected clients and webhooks. */
export type Examined = {
  keys: readonly (ApiKey & { version_created_at: number })[];
  tokens: readonly AppToken[];
  devices: readonly Device[];
  grants: readonly Grant[];
  webhooks: readonly Webhook[];
  frozen: Freeze | null;
  now: number;
};

const DAY_MS = 86_400_000;
const SOON_MS = 14 * DAY_MS;
const STALE_MS = 90 * DAY_MS;
const ELEVATED_MS = DAY_MS;
const FORGOTTEN_MS = 30 * DAY_MS;

/** Looks over a vault. Pure; the worst comes first. */
export function examine({ keys, tokens, devices, grants, webhooks, frozen, now }: Examined): Finding[] {
  const ids = new Set(keys.map(({ id }) => id));
  const lives = ({ revoked_at, expires_at }: Token) => revoked_at === null && (expires_at ?? Infinity) > now;
  const findings = [
    ...(frozen === null ? [] : [ofFreeze(frozen)]),
    ...keys.flatMap((key) => ofKey(key, now)),
    ...tokens.filter(lives).flatMap((token) => ofToken(token, ids, now)),
    ...devices.filter(lives).flatMap((device) => ofDevice(device, now)),
    ...grants.flatMap((grant) => ofGrant(grant, now)),
    ...webhooks.flatMap(ofWebhook),
  ];
  return findings.sort((a, b) => RANK[a.severity] - RANK[b.severity]);
}

function ofFreeze({ at, by }: Freeze): Finding {
  const detail = `The vault has been frozen since ${new Date(at).toISOString()}: nothing is used, made or shown.`;
  const fix = "Sign in again, look over activity, tokens and sessions, revoke what is not yours, then unfreeze.";
  return { severity: "warning", code: "vault_frozen", subject: by, detail, fix };
}

const RANK = { warning: 0, notice: 1 } as const;

function ofKey(key: Examined["keys"][number], now: number): Finding[] {
  const { id: subject, name, expires_at, paused_at, last_used_at, created_at, version_created_at } = key;
  const { destination, connection } = key;
  const found: Finding[] = [];
  const say = (severity: Finding["severity"], code: string, detail: string, fix: string) =>
    found.push({ severity, code, subject, detail, fix });
  if (expires_at !== null && expires_at <= now) {
    say(
      "warning",
      "key_expired",
      `The key ${name} has expired; calls with it are refused.`,
      "Rotate it, or delete it.",
    );
  } else if (expires_at !== null && expires_at - now <= SOON_MS) {
    say("warning", "key_expiring", `The key ${name} expires within 14 days.`, "Rotate it before it does.");
  }
  if (connection === "reconnect_required") {
    say(
      "warning",
      "key_lost",
      `The provider of ${name} gives no more access tokens; calls are refused.`,
      "Connect it again.",
    );
  } else if (destination.placement.in === "oauth" && connection === null) {
    say(
      "notice",
      "key_not_connected",
      `The key ${name} is not connected yet; calls with it are refused.`,
      "Connect it.",
    );
  }
  if (now - version_created_at > STALE_MS) {
    say("notice", "key_stale", `The secret of ${name} is older than 90 days.`, "Rotate it.");
  }
  if (now - Math.max(last_used_at ?? 0, created_at) > STALE_MS) {
    say("notice", "key_unused", `Nothing has used ${name} for 90 days.`, "Delete it if nothing needs it.");
  }
  if (paused_at !== null && now - paused_at > FORGOTTEN_MS) {
    say("notice", "key_paused", `The key ${name} has been paused for 30 days.`, "Resume it, or delete it.");
  }
  return found;
}

function ofToken(token: AppToken, ids: ReadonlySet<string>, now: number): Finding[] {
  const { id: subject, name, policy, expires_at, created_at, last_used_at, paused_at, rotation } = token;
  const found: Finding[] = [];
  const say = (severity: Finding["severity"], code: string, detail: string, fix: string) =>
    found.push({ severity, code, subject, detail, fix });
  if (policy.keys !== undefined && !policy.keys.some((id) => ids.has(id))) {
    say("warning", "token_reaches_nothing", `Every key that ${name} could reach is gone.`, "Revoke it.");
  }
  if (policy.keys === undefined) {
    say(
      "warning",
      "token_reaches_all",
      `The token ${name} reaches every key, also those stored later.`,
      "Replace it by one that names its keys.",
    );
  }
  if (rotation !== undefined && rotation.refresh_by <= now) {
    const detail = `Nothing has refreshed the token ${name} in time: it is dead.`;
    say("notice", "token_lapsed", detail, "Revoke it, and give whatever needs it another.");
  }
  // One that was made for a job of an hour is meant to end.
  if (expires_at !== null && expires_at - now <= SOON_MS && expires_at - created_at > SOON_MS) {
    say("notice", "token_expiring", `The token ${name} expires within 14 days.`, "Mint its successor.");
  }
  if (now - Math.max(last_used_at ?? 0, created_at) > FORGOTTEN_MS) {
    say("notice", "token_unused", `Nothing has used the token ${name} for 30 days.`, "Revoke it if nothing needs it.");
  }
  if (paused_at !== null && now - paused_at > FORGOTTEN_MS) {
    say("notice", "token_paused", `The token ${name} has been paused for 30 days.`, "Resume it, or revoke it.");
  }
  return found;
}

function ofDevice({ id: subject, name, seen_at, created_at, reveal_until }: Device, now: number): Finding[] {
  const found: Finding[] = [];
  if (now - (seen_at ?? created_at) > FORGOTTEN_MS) {
    const detail = `The device ${name} was not seen for 30 days.`;
    found.push({
      severity: "notice",
      code: "device_unused",
      subject,
      detail,
      fix: "Revoke it if it is not yours any more.",
    });
  }
  if ((reveal_until ?? 0) - now > ELEVATED_MS) {
    const detail = `The device ${name} may be shown the secrets of every revealable key for as long as it is signed in.`;
    found.push({ severity: "warning", code: "device_reveals", subject, detail, fix: "Lock it on the dashboard." });
  }
  return found;
}

function ofGrant(grant: Grant, now: number): Finding[] {
  const { id: subject, client, scopes, keys, created_at, last_used_at, paused_at } = grant;
  const found: Finding[] = [];
  const say = (code: string, detail: string, fix: string) =>
    found.push({ severity: "notice", code, subject, detail, fix });
  if (grantsScope(scopes, "vault:reveal")) {
    const detail = `The client ${client.name} may ask you to look at secrets.`;
    say("client_reveals", detail, "Take vault:reveal from it if it does not need to.");
  }
  if (keys === null && grantsScope(scopes, "vault:proxy")) {
    const detail = `The client ${client.name} may call with every key, also those stored later.`;
    say("client_reaches_all", detail, "Choose its keys.");
  }
  if (now - Math.max(last_used_at ?? 0, created_at) > FORGOTTEN_MS) {
    say(
      "client_unused",
      `The client ${client.name} has done nothing for 30 days.`,
      "Disconnect it if nothing needs it.",
    );
  }
  if (paused_at !== null && now - paused_at > FORGOTTEN_MS) {
    say("client_paused", `The client ${client.name} has been paused for 30 days.`, "Resume it, or disconnect it.");
  }
  return found;
}

function ofWebhook({ id: subject, dead_at }: Webhook): Finding[] {
  if (dead_at === null) return [];
  const detail = "A webhook was given up: nothing is sent to it any more.";
  return [
    { severity: "warning", code: "webhook_dead", subject, detail, fix: "Mend its receiver and test it, or delete it." },
  ];
}
