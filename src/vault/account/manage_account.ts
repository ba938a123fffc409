import { recognise, type Caller } from "../tokens/caller.ts";
import { cutAll } from "../tokens/ending.ts";
import type { Parts } from "../parts.ts";
import type { Receipt } from "../receipt.ts";
import { accountIdOf } from "./account.ts";

/** The person's wish: dead at once, and what is open is cut. */
export async function beginDeletion(parts: Parts, caller: Caller): Promise<Receipt> {
  const { deletion, gate, tokens } = parts;
  const now = Date.now();
  const { last_used_at } = recognise(tokens, caller, now, "stop");
  const id = accountIdOf(parts);
  deletion.begin(now);
  gate.bump();
  return { id, revoked_at: now, last_used_at, ...(await cutAll(parts, "revoked")) };
}
