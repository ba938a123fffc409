import type { ApiKey } from "./keys.ts";
import type { Token } from "./tokens.ts";

/** Something that its owner should look at. `subject` is the id of the key or token. */
export type Finding = { severity: "warning" | "notice"; code: string; subject: string; detail: string; fix: string };

/** What is examined: keys with the time of their current version, and app tokens. */
export type Examined = {
  keys: readonly (ApiKey & { version_created_at: number })[];
  tokens: readonly Token[];
  now: number;
};

const DAY_MS = 86_400_000;
const SOON_MS = 14 * DAY_MS;
const STALE_MS = 90 * DAY_MS;
const FORGOTTEN_MS = 30 * DAY_MS;

/** Looks over a vault. Pure; the worst comes first. */
export function examine({ keys, tokens, now }: Examined): Finding[] {
  const ids = new Set(keys.map(({ id }) => id));
  const live = tokens.filter(({ revoked_at, expires_at }) => revoked_at === null && (expires_at ?? Infinity) > now);
  const findings = [...keys.flatMap((key) => ofKey(key, now)), ...live.flatMap((token) => ofToken(token, ids, now))];
  return findings.sort((a, b) => RANK[a.severity] - RANK[b.severity]);
}

const RANK = { warning: 0, notice: 1 } as const;

function ofKey(key: Examined["keys"][number], now: number): Finding[] {
  const { id: subject, name, expires_at, paused_at, last_used_at, created_at, version_created_at } = key;
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

function ofToken(token: Token, ids: ReadonlySet<string>, now: number): Finding[] {
  const { id: subject, name, policy, expires_at, created_at, last_used_at, paused_at } = token;
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
  if (expires_at !== null && expires_at - now <= SOON_MS) {
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
