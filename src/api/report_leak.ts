import { Hono } from "hono";
import { limitAddress } from "../auth/limit.ts";
import { originOf } from "../auth/origin.ts";
import { readText } from "../body.ts";
import { configOf } from "../config.ts";
import { NO_VAULT, verifyToken, type VerifiedToken } from "../crypto/token.ts";
import { endDeviceLogin } from "../directory/device_logins.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { BODY_BYTES, readJson } from "./body.ts";
import { parse } from "./parse.ts";
import { REPORT_LEAK } from "./schema.ts";

/**
 * Where scanners, and anybody else, report a token that they have found (SECURITY S28). It ends at once; the answer is the same
 * for a forgery, a dead token and a live one, so it tells a finder nothing. Only a vault that cannot be reached is owned up to:
 * a report must not be lost.
 */
export const reportLeak = new Hono<{ Bindings: Env }>().post(`/v1${REPORT_LEAK.path}`, async ({ env, req }) => {
  const origin = originOf(req.raw);
  await limitAddress(env.REPORT_LIMIT, origin.ip, { detail: "Too many reports from your address." });
  const { token } = parse(REPORT_LEAK.body, readJson(req.raw, await readText(req.raw, BODY_BYTES)));
  const verified = await ours(async () => verifyToken(configOf(env).token_keys, token));
  if (verified !== undefined) await ours(() => end(env, verified, origin));
  return new Response(null, { status: REPORT_LEAK.status, headers: { "cache-control": "no-store" } });
});

async function end(
  env: Env,
  { kind, vault_id, hash, secret }: VerifiedToken,
  origin: ReturnType<typeof originOf>,
): Promise<void> {
  if (vault_id === NO_VAULT) await endDeviceLogin(env.DB, hash);
  else await ask(env.USER_VAULT.getByName(vault_id).endLeaked({ kind, hash, secret }, origin));
}

/** What is not ours, or belongs to a vault that is gone, needs no ending. */
async function ours<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (refused) {
    if (refused instanceof Problem && (refused.code === "invalid_token" || refused.code === "gone")) return undefined;
    throw refused;
  }
}
