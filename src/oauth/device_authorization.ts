import { Hono } from "hono";
import { deviceNames } from "../auth/device_wish.ts";
import { limitAddress } from "../auth/limit.ts";
import { originOf } from "../auth/origin.ts";
import { configOf } from "../config.ts";
import { mintToken, NO_VAULT } from "../crypto/token.ts";
import { newUserCode, userCodeHash } from "../crypto/user_code.ts";
import { addDeviceLogin, DEVICE_LOGIN_MS, POLL_MS } from "../directory/device_logins.ts";
import { Problem } from "../problem.ts";
import { authenticate } from "./authenticate.ts";
import { CLI } from "./first_party.ts";
import { readForm } from "./form.ts";
import { CORS, json, oauthRefusal } from "./wording.ts";

const TRIES = 3;

/**
 * A device without a browser asks to be let in (RFC 8628 §3.1). There is no `verification_uri_complete`: the person types the
 * code, so that a link alone never lets anybody in (SECURITY S4). The device code names no vault, since nobody knows yet whose it
 * will be, and is kept as a hash (S12).
 */
export const deviceAuthorization = new Hono<{ Bindings: Env }>()
  .options("/device_authorization", () => new Response(null, { status: 204, headers: CORS }))
  .post("/device_authorization", async ({ env, req }) => {
    const config = configOf(env);
    const { ip, country } = originOf(req.raw);
    await limitAddress(env.SIGN_IN_LIMIT, ip, { of: "device", detail: "Too many sign-ins from your address." });
    const form = await readForm(req.raw);
    const client = await authenticate(env, config, req.raw, form);
    if (client.id !== CLI) throw new Problem("unauthorized_client", "Only our own command line signs devices in.");
    const names = deviceNames((name) => form.all(name));
    const { token: device_code, hash: code_hash } = mintToken(config.token_keys, "dc", NO_VAULT);
    for (let left = TRIES; left > 0; left--) {
      const user_code = newUserCode();
      const user_code_hash = userCodeHash(config.token_keys, user_code);
      if (!(await addDeviceLogin(env.DB, { code_hash, user_code_hash, ip, country, ...names }, Date.now()))) continue;
      return json({
        device_code,
        user_code,
        verification_uri: `${config.public_origin}/device`,
        expires_in: DEVICE_LOGIN_MS / 1_000,
        interval: POLL_MS / 1_000,
      });
    }
    throw new Problem("unavailable", "No code is free just now.", { retry_after_s: 1 });
  })
  .onError((thrown) => oauthRefusal(thrown));
