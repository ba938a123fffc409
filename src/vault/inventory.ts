import type { Device } from "./devices.ts";
import { withRotation, withUses, type AppToken } from "./manage_tokens.ts";
import type { LinkedIdentity } from "./identities.ts";
import type { ApiKey } from "./keys.ts";
import { listDevices } from "./manage_devices.ts";
import type { Parts } from "./parts.ts";
import type { Token } from "./tokens.ts";

/** All that a vault holds, without a secret. */
export type Inventory = {
  identities: LinkedIdentity[];
  keys: (ApiKey & { version_created_at: number })[];
  tokens: AppToken[];
  sessions: Token[];
  devices: Device[];
};

const EVERYTHING = 100_000;

export function inventory(parts: Parts): Inventory {
  const { keys, tokens, identities, versions } = parts;
  const made = versions.currentSince();
  return {
    identities: identities.list(),
    keys: keys
      .list(undefined, EVERYTHING, {})
      .map((key) => ({ ...key, version_created_at: made.get(key.id) ?? key.created_at })),
    tokens: withRotation(parts, withUses(parts, tokens.list("app", undefined, EVERYTHING, parts.reach))),
    sessions: tokens.list("ses", undefined, EVERYTHING, parts.reach),
    devices: listDevices(parts, undefined, EVERYTHING),
  };
}
