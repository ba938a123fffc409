import type { Config } from "../config.ts";
import { verifyToken, type VerifiedToken } from "../crypto/token.ts";
import { limitAddress } from "./limit.ts";
import { bearerIn } from "./bearer.ts";
import { readCookie, SESSION_COOKIE } from "./cookies.ts";
import { originOf } from "./origin.ts";

/**
 * Anybody may have signed a token under a key that has leaked: its vault still knows it by its hash, but is asked only so often
 * for one address (SECURITY S12).
 */
export async function limitWeak(env: Env, { weak }: Pick<VerifiedToken, "weak">, ip: string): Promise<void> {
  if (!weak) return;
  const detail = "Too many calls from your address with tokens of a withdrawn key.";
  await limitAddress(env.WEAK_LIMIT, ip, { detail, rule: "weak_key" });
}

/** As {@link limitWeak}, for whatever a request to our own pages shows as a header; costs nothing while no key is weak. */
export async function limitWeakCaller(env: Env, config: Config, request: Request): Promise<void> {
  if (![...config.token_keys.by_id.values()].some(({ weak }) => weak)) return;
  const shown = bearerIn(request) ?? readCookie(request, config, SESSION_COOKIE);
  const token = shown === undefined ? undefined : verified(config, shown);
  if (token !== undefined) await limitWeak(env, token, originOf(request).ip);
}

/** Whatever is wrong with a token is said where it is used. */
function verified({ token_keys }: Config, text: string): VerifiedToken | undefined {
  try {
    return verifyToken(token_keys, text);
  } catch {
    return undefined;
  }
}
