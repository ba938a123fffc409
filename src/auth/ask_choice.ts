import { Problem } from "../problem.ts";
import type { AskRule } from "../vault/policy/policy.ts";

/** Before which of its calls a person wants to be asked by what they let in (DESIGN D14), as our pages offer it. */
const ASKS: Readonly<Record<string, AskRule | null>> = {
  never: null,
  changes: { methods: ["POST", "PUT", "PATCH", "DELETE"] },
  every: {},
};

/** The choice on a page; null: it need not ask. */
export function askIn(given = "never"): AskRule | null {
  const ask = Object.hasOwn(ASKS, given) ? ASKS[given] : undefined;
  if (ask === undefined) throw new Problem("invalid_request", "Choose whether to be asked.");
  return ask;
}
