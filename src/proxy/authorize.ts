import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { Dispatch } from "../vault/calls/dispatch.ts";
import { keepBody, refused, type Errand } from "./errand.ts";
import { bodyOverridesMethod } from "./headers.ts";
import { askFirst, contentDigest } from "./hold.ts";
import { returnSettlements, takeSettlements } from "./settlements.ts";
import { ESTIMATED_BYTES, estimateOf } from "./usage.ts";

/** Asks the vault, and asks it again once it was told what it wanted to know first. */
export async function authorizeOrAsk(errand: Errand): Promise<Dispatch> {
  const { env, vault_id, mac, question } = errand;
  const settled = takeSettlements(vault_id);
  try {
    return await ask(env.USER_VAULT.getByName(vault_id).authorize(question, settled));
  } catch (thrown) {
    if (!(thrown instanceof Problem)) throw thrown;
    // A refusal means that the vault was reached and has them; only a fault may have lost them, and settling twice is harmless.
    if (thrown.code === "unavailable") returnSettlements(vault_id, settled);
    else refused.note(mac, thrown, Date.now());
    if (thrown.code === "estimate_needed") return estimated(errand);
    if (thrown.code === "approval_required" && question.content === undefined) return held(errand);
    throw thrown;
  }
}

/** Where a budget pays, the vault wants to know what the call may come to. */
async function estimated(errand: Errand): Promise<Dispatch> {
  await keepBody(errand);
  const { request, body, question } = errand;
  const length = Number(request.headers.get("content-length") ?? ESTIMATED_BYTES);
  const text = body instanceof ArrayBuffer ? new TextDecoder().decode(body) : "";
  errand.question = { ...question, estimate: estimateOf(text, length) };
  return authorizeOrAsk(errand);
}

/** So much waits for people here at most, of all vaults: a hundred long bodies would take from all other calls the memory that they share. */
const HELD_BYTES = 32 * 1024 * 1024;
let held_bytes = 0;

/** Where a person must be asked first, the call is held meanwhile, its body with it; where there is no room for that it comes again. */
async function held(errand: Errand): Promise<Dispatch> {
  const { env, vault_id, request, query, headers } = errand;
  await keepBody(errand);
  const body = errand.body instanceof ReadableStream ? "unknown" : errand.body;
  const content = contentDigest(query, headers, body);
  // The page shows a method: here the body is at hand, and may name another.
  const overridden = errand.question.overridden || (body instanceof ArrayBuffer && bodyOverridesMethod(headers, body));
  errand.question = { ...errand.question, content, overridden };
  const bytes = body instanceof ArrayBuffer ? body.byteLength : 0;
  const patience = held_bytes + bytes > HELD_BYTES ? { ...errand.patience, hold_ms: 0 } : errand.patience;
  held_bytes += bytes;
  try {
    return await askFirst(
      () => authorizeOrAsk(errand),
      () => env.USER_VAULT.getByName(vault_id),
      request.signal,
      patience,
    );
  } finally {
    held_bytes -= bytes;
  }
}
