import { limitWeak } from "../../auth/weak.ts";
import { endDeviceLogin, pollDeviceLogin } from "../../directory/device_logins.ts";
import { Problem } from "../../problem.ts";
import { readPresented } from "../presented.ts";
import { deviceToken } from "./device_token.ts";
import type { Asked, TokenResponse } from "./grant_type.ts";

/** The device that was given a user code asks whether somebody has let it in (RFC 8628 §3.4, §3.5). */
export async function deviceCode(asked: Asked): Promise<TokenResponse> {
  const { env, config, form, origin } = asked;
  const now = Date.now();
  const code = readPresented(config, form.must("device_code"), "dc");
  if (code === undefined) throw new Problem("invalid_grant", "This is not a device code of ours.");
  await limitWeak(env, code, origin.ip);
  const { hash: code_hash } = code;
  const login = await pollDeviceLogin(env.DB, code_hash, now);
  if (login === undefined)
    throw new Problem("invalid_grant", "This device code is not known here, or was used already.");
  if (login.expires_at <= now) throw new Problem("expired_token", "This device code has expired. Start again.");
  if (login.answer === "denied") throw new Problem("access_denied", "The person said no.");
  if (login.early) throw new Problem("slow_down", "Wait five seconds longer between two questions.");
  if (login.answer === null || login.vault_id === null)
    throw new Problem("authorization_pending", "Nobody has answered yet.");
  const issued = await deviceToken(asked, login.vault_id, { code_hash, proof: null });
  await endDeviceLogin(env.DB, code_hash);
  return issued;
}
