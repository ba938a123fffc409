/** Our rows as the wire wants them: snake_case, RFC 3339 times, nothing that is null. */
import type * as z from "zod";
import type { Config } from "../config.ts";
import { activityRow } from "../vault/audit/activity_row.ts";
import type { AuditRow as StoredRow } from "../vault/audit/row.ts";
import type { GrantDetails } from "../vault/tokens/manage_grants.ts";
import type { Issued } from "../vault/tokens/families.ts";
import type { Freeze } from "../vault/account/frozen.ts";
import type { LinkedIdentity } from "../vault/account/identities.ts";
import type { Device as StoredDevice } from "../vault/tokens/devices.ts";
import type { SpendRow as StoredSpend } from "../vault/calls/spending.ts";
import type { AppToken, AppTokenDetails as StoredTokenDetails, CreatedToken } from "../vault/tokens/manage_tokens.ts";
import type { Token as StoredToken } from "../vault/tokens/token.ts";
import type { Receipt as StoredReceipt } from "../vault/receipt.ts";
import { wireAsk, wirePolicy } from "./policy.ts";
import type {
  AuditRow,
  CreatedToken as Created,
  Device,
  Grant,
  Identity,
  Me,
  Receipt,
  RefreshedToken,
  Session,
  SpendRow,
  Token,
  TokenDetails,
} from "./schema.ts";

type StoredMe = {
  account_id: string;
  name: string | null;
  identities: LinkedIdentity[];
  session: StoredToken;
  device: StoredDevice | undefined;
  frozen: Freeze | null;
};

/** RFC 3339 in UTC with milliseconds. */
export function wireTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** The same, where there may be none. */
export function optionalTime(ms: number | null): string | undefined {
  return ms === null ? undefined : wireTime(ms);
}

export function wireIssued(issued: CreatedToken): z.output<typeof Created> {
  const { row, token, expires_at, refresh_token } = issued;
  return { id: row.id, token, expires_at: optionalTime(expires_at), refresh_token };
}

export function wireRefreshed({ token_id: id, expires_at, ...tokens }: Issued): z.output<typeof RefreshedToken> {
  return { id, ...tokens, expires_at: wireTime(expires_at) };
}

export function wireTokenDetails({ generations, ...token }: StoredTokenDetails): z.output<typeof TokenDetails> {
  return {
    ...wireToken(token),
    generations: generations?.map(({ n, issued_at, superseded_at, ...rest }) => ({
      generation: n,
      issued_at: wireTime(issued_at),
      replaced_at: optionalTime(superseded_at),
      ...rest,
    })),
  };
}

export function wireToken(token: AppToken): z.output<typeof Token> {
  const { id, name, uses, refused, rotation } = token;
  return {
    id,
    name,
    parent_id: token.parent_id ?? undefined,
    policy: wirePolicy(token),
    paused: token.paused_at !== null,
    created_at: wireTime(token.created_at),
    expires_at: optionalTime(token.expires_at),
    revoked_at: optionalTime(token.revoked_at),
    last_used_at: optionalTime(token.last_used_at),
    uses,
    refused,
    rotation: rotation?.cadence ?? "static",
    rotations: rotation?.head,
    refreshed_at: optionalTime(rotation?.answered_at ?? null),
    refresh_by: optionalTime(rotation?.refresh_by ?? null),
  };
}

export function wireGrant(grant: GrantDetails): z.output<typeof Grant> {
  const { id, client_id, client, scopes, keys, uses, refused, rotations, live_sessions } = grant;
  return {
    id,
    client_id,
    client_name: client.name,
    registration: client.registration,
    homepage: client.homepage ?? undefined,
    logo: client.logo ?? undefined,
    redirect_hosts: [...new Set(client.redirect_uris.map((uri) => new URL(uri).host))],
    scopes: [...scopes],
    keys: keys === null ? undefined : [...keys],
    ask: wireAsk(grant.ask ?? undefined),
    paused: grant.paused_at !== null,
    authorized_at: wireTime(grant.created_at),
    expires_at: optionalTime(grant.expires_at),
    revoked_at: optionalTime(grant.revoked_at),
    last_used_at: optionalTime(grant.last_used_at),
    uses,
    refused,
    rotations,
    live_sessions,
  };
}

/** What was spent in a day with a token, a key and a model. */
export function wireSpend(row: StoredSpend): z.output<typeof SpendRow> {
  const { model, calls, estimated } = row;
  return {
    day: new Date(row.day * 86_400_000).toISOString().slice(0, 10),
    token: row.token_id,
    key: row.key_id,
    model,
    calls,
    estimated,
    input_tokens: row.input,
    output_tokens: row.output,
    cached_input_tokens: row.cached_input,
    usd: row.cost / 1_000_000,
    derived:
      row.derived_calls > 0
        ? { calls: row.derived_calls, estimated: row.derived_estimated, usd: row.derived_cost / 1_000_000 }
        : undefined,
  };
}

export function wireSession(session: StoredToken, current: boolean): z.output<typeof Session> {
  const { id, name, seen_at, expires_at } = session;
  const signed_in_at = wireTime(session.signed_in_at ?? session.created_at);
  return { id, name, current, signed_in_at, seen_at: optionalTime(seen_at), expires_at: optionalTime(expires_at) };
}

export function wireDevice(device: StoredDevice, current: boolean): z.output<typeof Device> {
  const { id, name, platform, policy, uses, refused } = device;
  return {
    id,
    name,
    platform,
    current,
    created_at: wireTime(device.created_at),
    seen_at: optionalTime(device.seen_at),
    expires_at: optionalTime(device.expires_at),
    revoked_at: optionalTime(device.revoked_at),
    reveal_until: optionalTime(device.reveal_until),
    unlock_asked_at: optionalTime(device.asked_at),
    keys: policy.keys && [...policy.keys],
    calls_a_minute: policy.rate?.per_minute,
    ask: wireAsk(policy.ask),
    last_used_at: optionalTime(device.last_used_at),
    uses,
    refused,
  };
}

export function wireIdentity({ issuer, subject, email, name, linked_at }: LinkedIdentity): z.output<typeof Identity> {
  return { issuer, subject, email: email ?? undefined, name: name ?? undefined, linked_at: wireTime(linked_at) };
}

export function wireMe(me: StoredMe, { proxy_origin, sign_in }: Config): z.output<typeof Me> {
  return {
    proxy_origin,
    sign_in: sign_in.map(({ id, name }) => ({ id, name })),
    account_id: me.account_id,
    name: me.name ?? undefined,
    identities: me.identities.map(wireIdentity),
    session: me.session.kind === "ses" ? wireSession(me.session, true) : undefined,
    device: me.device && wireDevice(me.device, true),
    frozen_at: optionalTime(me.frozen?.at ?? null),
    frozen_by: me.frozen?.by,
  };
}

export function wireReceipt({ revoked_at, last_used_at, ...counts }: StoredReceipt): z.output<typeof Receipt> {
  return { ...counts, revoked_at: wireTime(revoked_at), last_used_at: optionalTime(last_used_at) };
}

export function wireRow(row: StoredRow): z.output<typeof AuditRow> {
  return activityRow(row);
}
