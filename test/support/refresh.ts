/** A token that rotates, in a test's hands. */
import { env } from "cloudflare:workers";
import { configOf } from "../../src/config.ts";
import { verifyToken } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Origin } from "../../src/vault/audit/row.ts";
import { refresh } from "../../src/vault/tokens/refresh.ts";
import type { Cadence } from "../../src/vault/tokens/rotation.ts";
import type { Policy } from "../../src/vault/policy/policy.ts";
import type { Scope } from "../../src/vault/policy/scopes.ts";
import { held } from "../../src/vault/surface.ts";
import { grantTo, inside, ORIGIN, outbox, type App, type Vault } from "./vault.ts";

/** What a client holds after a refresh. */
export type Held = { token_id: string; token: string; refresh_token: string; expires_at: number };

export async function newRotating(
  { stub, ada }: Vault,
  rotation: Cadence = "hourly",
  policy: Policy & { expires_at?: number } = {},
): Promise<Held> {
  const created = await ask(stub.createToken(ada, "app", policy, rotation));
  const { row, token, refresh_token = "", expires_at } = created;
  return { token_id: row.id, token, refresh_token, expires_at: expires_at ?? Number.NaN };
}

/** Shows a refresh token, from somewhere. */
export function refreshWith(
  { stub }: Vault,
  { refresh_token }: Pick<Held, "refresh_token">,
  from: Partial<Origin> = {},
): Promise<Held> {
  const { hash, secret, kind } = verifyToken(configOf(env).token_keys, refresh_token);
  return ask(stub.refreshToken({ hash, secret, kind, may: ["refresh"], origin: { ...ORIGIN, ...from } }));
}

/** An OAuth grant with a family, and what its client holds first. */
export async function newGrantFamily(vault: Vault, client_id = "cli_a"): Promise<Held & { grant_id: string }> {
  const { grant_id } = await grantTo(vault, { client_id });
  return inside(vault, async (object) => {
    const parts = object[held];
    if (parts === undefined) throw new Error("there is no vault");
    const prepared = await parts.families.keys.prepare();
    const policy = { scopes: ["vault:read", "vault:proxy"] as const };
    const now = Date.now();
    const row = parts.tokens.add(
      { kind: "oat", hash: null, parent_id: grant_id, name: "Agent", policy, expires_at: null, signed_in_at: null },
      now,
    );
    const terms = { refresh_kind: "ort" as const, client_id, access_ms: 3_600_000, idle_ms: 30 * 86_400_000 };
    return { ...parts.families.open(prepared, row, terms, ORIGIN, now), grant_id };
  });
}

/** As the token endpoint refreshes: with the client that has proven who it is. */
export function refreshAs(
  vault: Vault,
  client_id: string,
  { refresh_token }: Pick<Held, "refresh_token">,
  scopes?: readonly Scope[],
): Promise<Held> {
  const { secret, kind } = verifyToken(configOf(env).token_keys, refresh_token);
  return inside(vault, (object) => {
    const parts = object[held];
    if (parts === undefined) throw new Error("there is no vault");
    return refresh(parts, { kind, secret, client_id, scopes, origin: ORIGIN });
  });
}

/** The access token, as a call shows it. */
export function accessOf({ token, token_id }: Held): App {
  return { token, id: token_id, hash: verifyToken(configOf(env).token_keys, token).hash };
}

/** Actions and rules of rows about refreshing, oldest first. */
export async function refreshRows(vault: Vault): Promise<string[]> {
  const rows = (await outbox(vault)).filter(({ decision }) => /refresh/.test(decision.action));
  return rows.map(({ decision: { action, rule, outcome } }) =>
    [action, outcome === "ok" ? undefined : outcome, rule].filter(Boolean).join(" "),
  );
}
