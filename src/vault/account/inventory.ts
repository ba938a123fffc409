import type { Device } from "../tokens/devices.ts";
import { accountIdOf, accountNameOf } from "./account.ts";
import type { Alert, AlertSetting } from "../alerts/alerts.ts";
import type { AlertKind } from "../alerts/kinds.ts";
import type { KnownPrice } from "../calls/prices.ts";
import type { SpendRow } from "../calls/spending.ts";
import { keyDetails, type KeyDetails } from "../keys/change_keys.ts";
import { listGrants, type GrantDetails } from "../tokens/manage_grants.ts";
import {
  withGenerations,
  withRotation,
  withUses,
  type AppToken,
  type AppTokenDetails,
} from "../tokens/manage_tokens.ts";
import type { Webhook } from "../alerts/webhooks.ts";
import type { LinkedIdentity } from "./identities.ts";
import type { ApiKey } from "../keys/key.ts";
import { listDevices } from "../tokens/manage_devices.ts";
import type { Parts } from "../parts.ts";
import { thrown, type Thrown } from "../keys/trash.ts";
import type { Token } from "../tokens/token.ts";
import type { Trust } from "../tokens/trusts.ts";

/** All that a vault holds, without a secret. */
export type Inventory = {
  identities: LinkedIdentity[];
  keys: (ApiKey & { version_created_at: number })[];
  tokens: AppToken[];
  sessions: Token[];
  devices: Device[];
  grants: GrantDetails[];
  webhooks: Webhook[];
  trusts: Trust[];
};

/** Whatever else is kept for its owner, but for keys and app tokens, of which there may be very many; no activity, no secret. */
export type OtherHoldings = Omit<Inventory, "keys" | "tokens"> & {
  account_id: string;
  name: string | null;
  alerts: Alert[];
  alert_settings: Record<AlertKind, AlertSetting>;
  /** Those that a client has deleted and that may be brought back. */
  deleted_keys: Thrown[];
  /** Those that were set by hand, over the catalog's. */
  prices: KnownPrice[];
  spend: SpendRow[];
};

/** As the release before asks for all of it, in one answer. */
export type Holdings = OtherHoldings & { keys: KeyDetails[]; tokens: AppTokenDetails[] };

const EVERYTHING = 100_000;

export function inventory(parts: Parts): Inventory {
  const { keys, tokens, versions } = parts;
  const made = versions.currentSince();
  return {
    ...people(parts),
    keys: keys.all().map((key) => ({ ...key, version_created_at: made.get(key.id) ?? key.created_at })),
    tokens: withRotation(parts, withUses(parts, tokens.list("app", undefined, EVERYTHING, parts.reach))),
  };
}

/** Who may do something here. */
function people(parts: Parts): Omit<Inventory, "keys" | "tokens"> {
  const { tokens, identities } = parts;
  return {
    identities: identities.list(),
    sessions: parts.reach === null ? tokens.signedIn(Date.now()) : [],
    devices: listDevices(parts, undefined, EVERYTHING),
    grants: listGrants(parts, undefined, EVERYTHING),
    // They tell of everything, and so are nothing to whoever sees a part.
    webhooks: parts.reach === null ? parts.webhooks.list() : [],
    trusts: parts.trusts.list(undefined, EVERYTHING, parts.reach),
  };
}

export function otherHoldings(parts: Parts): OtherHoldings {
  return {
    ...people(parts),
    account_id: accountIdOf(parts),
    name: accountNameOf(parts),
    alerts: parts.alerts.list(undefined, EVERYTHING, {}),
    alert_settings: parts.alerts.settings(),
    deleted_keys: thrown(parts.sql, Date.now()),
    prices: parts.prices.own(),
    spend: parts.spending.list({ from_day: 0, to_day: EVERYTHING }, EVERYTHING).rows,
  };
}

/** Keys with all that is remembered of each, newest first, below the id `before`. */
export function heldKeys(parts: Parts, before: string | undefined, limit: number): KeyDetails[] {
  return parts.keys.list(before, limit, {}).map(({ id }) => keyDetails(parts, id));
}

/** App tokens, dead or alive, with all that is remembered of each, newest first, below the id `before`. */
export function heldTokens(parts: Parts, before: string | undefined, limit: number): AppTokenDetails[] {
  const page = parts.tokens.list("app", before, limit, parts.reach);
  return withRotation(parts, withUses(parts, page)).map((token) => withGenerations(parts, token));
}

export function holdings(parts: Parts): Holdings {
  const [keys, tokens] = [heldKeys(parts, undefined, EVERYTHING), heldTokens(parts, undefined, EVERYTHING)];
  return { ...otherHoldings(parts), keys, tokens };
}
