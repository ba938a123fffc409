import { Hono } from "hono";
import { originOf } from "../auth/origin.ts";
import { limitWeak } from "../auth/weak.ts";
import { configOf, type Config } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { Introspection, Shown } from "../vault/tokens/client_tokens.ts";
import { authenticate } from "./authenticate.ts";
import { readForm, type Form } from "./form.ts";
import { readPresented } from "./presented.ts";
import { resourceOf } from "./resource.ts";
import { CORS, json, oauthRefusal } from "./wording.ts";

/** What a client may do with tokens of its own: end them (RFC 7009), and ask about them (RFC 7662). */
export const ownTokens = new Hono<{ Bindings: Env }>()
  .options("/revoke", () => new Response(null, { status: 204, headers: CORS }))
  .post("/revoke", async ({ env, req }) => {
    const config = configOf(env);
    const form = await readForm(req.raw);
    const { id } = await authenticate(env, config, req.raw, form);
    const shown = shownIn(config, form, id);
    if (shown !== undefined) await limitWeak(env, shown, originOf(req.raw).ip);
    if (shown !== undefined)
      await known(ask(env.USER_VAULT.getByName(shown.vault_id).revokeShown(shown, originOf(req.raw))));
    // A token that is dead or was never there is as revoked as can be (RFC 7009 §2.2).
    return new Response(null, { status: 200, headers: { "cache-control": "no-store", ...CORS } });
  })
  .post("/introspect", async ({ env, req }) => {
    const config = configOf(env);
    const form = await readForm(req.raw);
    const client = await authenticate(env, config, req.raw, form);
    // Who proves nothing could try tokens that it found (RFC 7662 §4).
    if (client.auth_methods.includes("none"))
      throw new Problem("invalid_client", "Only a client that proves itself may ask about tokens.");
    const shown = shownIn(config, form, client.id);
    if (shown !== undefined) await limitWeak(env, shown, originOf(req.raw).ip);
    const told = shown && (await known(ask(env.USER_VAULT.getByName(shown.vault_id).introspect(shown))));
    return json(told?.active === true ? described(config, told) : { active: false });
  })
  .onError((thrown) => oauthRefusal(thrown));

function shownIn(
  config: Config,
  form: Form,
  client_id: string,
): (Shown & { vault_id: string; weak: boolean }) | undefined {
  const token = readPresented(config, form.must("token"), "oat", "ort");
  if (token === undefined) return undefined;
  const { kind, hash, secret, vault_id, weak } = token;
  return { kind, hash, secret, vault_id, weak, client_id };
}

/** A vault that is gone has no tokens. */
async function known<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (refused) {
    if (refused instanceof Problem && (refused.code === "invalid_token" || refused.code === "gone")) return undefined;
    throw refused;
  }
}

function described(config: Config, { kind, account_id, ...told }: Extract<Introspection, { active: true }>): object {
  return {
    active: true,
    scope: told.scopes.join(" "),
    client_id: told.client_id,
    token_type: kind === "oat" ? "Bearer" : "refresh_token",
    iat: Math.floor(told.issued_at / 1_000),
    ...(told.expires_at === null ? {} : { exp: Math.floor(told.expires_at / 1_000) }),
    sub: account_id,
    aud: resourceOf(config),
    iss: config.public_origin,
  };
}
