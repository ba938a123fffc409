import type { Answer } from "./api.ts";
import { now } from "./clock.ts";
import { useAnswer } from "./queries.ts";

export type Me = Answer<"GET /me">;

const RECENT_MS = 10 * 60_000;

/** Who is signed in. */
export function useMe(): Me | undefined {
  return useAnswer("GET /me", {}).data;
}

/** Whether the sign-in is young enough for what only its person may do (SECURITY S3). */
export function signedInRecently(me: Me | undefined): boolean {
  const at = me?.session?.signed_in_at;
  return at !== undefined && now() - Date.parse(at) < RECENT_MS;
}
