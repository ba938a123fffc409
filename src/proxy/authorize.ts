import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { Dispatch } from "../vault/calls/dispatch.ts";
import { keepBody, refused, type Errand } from "./errand.ts";
import { askFirst, contentDigest } from "./hold.ts";
import { returnSettlements, takeSettlements } from "./settlements.ts";
import { ESTIMATED_BYTES, estimateOf } from "./usage.ts";

/** Asks the vault. Where a person must be asked first, the call is held meanwhile, its body with it. */
export async function authorizeOrAsk(errand: Errand): Promise<Dispatch> {
  try {
    return await authorized(errand);
  } catch (thrown) {
    if (!(thrown instanceof Problem) || thrown.code !== "approval_required" || errand.question.content !== undefined)
      throw thrown;
  }
  const { env, vault_id, request, query } = errand;
  await keepBody(errand);
  const content = contentDigest(query, errand.body instanceof ReadableStream ? "unknown" : errand.body);
  errand.question = { ...errand.question, content };
  return askFirst(
    () => authorized(errand),
    () => env.USER_VAULT.getByName(vault_id),
    request.signal,
    errand.patience,
  );
}

/** The vault's yes. Where a budget pays, it wants to know first what the call may come to. */
async function authorized(errand: Errand): Promise<Dispatch> {
  try {
    return await authorize(errand);
  } catch (thrown) {
    if (!(thrown instanceof Problem) || thrown.code !== "estimate_needed") throw thrown;
    await keepBody(errand);
    const { request, body, question } = errand;
    const length = Number(request.headers.get("content-length") ?? ESTIMATED_BYTES);
    const text = body instanceof ArrayBuffer ? new TextDecoder().decode(body) : "";
    errand.question = { ...question, estimate: estimateOf(text, length) };
    return authorize(errand);
  }
}

async function authorize({ env, vault_id, mac, question }: Errand): Promise<Dispatch> {
  const settled = takeSettlements(vault_id);
  try {
    return await ask(env.USER_VAULT.getByName(vault_id).authorize(question, settled));
  } catch (thrown) {
    if (thrown instanceof Problem) {
      // A refusal means that the vault was reached and has them; only a fault may have lost them, and settling twice is harmless.
      if (thrown.code === "unavailable") returnSettlements(vault_id, settled);
      else refused.note(mac, thrown, Date.now());
    }
    throw thrown;
  }
}
