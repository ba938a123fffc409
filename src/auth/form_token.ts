import { createHmac, timingSafeEqual } from "node:crypto";
import type { Config, RingKey } from "../config.ts";
import { Problem } from "../problem.ts";

/**
 * What a form of ours carries so that a post of it is known to come from the page that this session was shown (SECURITY S25):
 * a MAC over the form's name and the session.
 */
export function formToken({ token_keys }: Config, form: string, session_hash: string): string {
  return macOf(token_keys.current, form, session_hash);
}

/** Refuses a post of a form that this session was not shown. */
export function assertFormToken({ token_keys }: Config, form: string, session_hash: string, given: string): void {
  const known = [...token_keys.by_id.values()].some((key) => {
    if (key.weak) return false;
    const wanted = Buffer.from(macOf(key, form, session_hash));
    return wanted.length === Buffer.byteLength(given) && timingSafeEqual(wanted, Buffer.from(given));
  });
  if (!known) throw new Problem("csrf_refused", "This form was shown in another session. Open the page again.");
}

function macOf({ bytes }: RingKey, form: string, session_hash: string): string {
  return createHmac("sha256", bytes).update(`form.${form}.${session_hash}`).digest("base64url");
}
