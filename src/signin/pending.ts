import * as z from "zod";
import { cookie, readCookie } from "../auth/cookies.ts";
import type { Config } from "../config.ts";
import { openTransient, sealTransient } from "../crypto/seal.ts";
import { Problem } from "../problem.ts";

/** What must come back from a provider in the same browser that was sent there. `link` is the session that asked to link. */
const Pending = z.object({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  return_to: z.string(),
  link: z.string().optional(),
  expires_at: z.number(),
});
export type Pending = z.output<typeof Pending>;

/** The cookie that ties a sign-in to the browser that began it: without it, state and code are worth nothing (login CSRF). */
const COOKIE = "apilocker-sign-in";
const USE = "sign-in";

/** How long a person may take at the provider. */
export const PENDING_MS = 10 * 60_000;

/** A `set-cookie` value that keeps the pending sign-in, sealed. */
export async function keepPending(config: Config, pending: Pending): Promise<string> {
  return cookie(config, COOKIE, await sealTransient(config.root_keys, USE, pending), PENDING_MS / 1_000);
}

/** A `set-cookie` value that forgets it. */
export function forgetPending(config: Config): string {
  return cookie(config, COOKIE, "", 0);
}

/** The sign-in that this browser has begun with this provider, or a refusal. */
export async function pendingOf(config: Config, request: Request, provider: string): Promise<Pending> {
  const opened = await openTransient(config.root_keys, USE, readCookie(request, config, COOKIE) ?? "");
  const pending = Pending.safeParse(opened).data;
  if (pending === undefined || pending.provider !== provider || pending.expires_at < Date.now()) {
    throw new Problem("sign_in_failed", "This sign-in was not begun in this browser, or too long ago. Start again.");
  }
  return pending;
}
