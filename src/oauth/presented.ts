import type { Config } from "../config.ts";
import { verifyToken, type VerifiedToken } from "../crypto/token.ts";
import { Problem } from "../problem.ts";

/** A token of one of these kinds that a client shows; undefined where it is none of ours. */
export function readPresented(
  { token_keys }: Config,
  text: string,
  ...kinds: readonly VerifiedToken["kind"][]
): VerifiedToken | undefined {
  try {
    const token = verifyToken(token_keys, text);
    return kinds.includes(token.kind) ? token : undefined;
  } catch (refused) {
    // Trouble of ours must not read as the client's: it would throw its tokens away.
    if (refused instanceof Problem && refused.code === "invalid_token") return undefined;
    throw refused;
  }
}

/** What a vault says of codes and refresh tokens, as OAuth words it: whatever is dead is `invalid_grant`, and nothing else is. */
export async function asGrant<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (refused) {
    if (!(refused instanceof Problem)) throw refused;
    if (refused.code === "invalid_token" || refused.code === "gone")
      throw new Problem("invalid_grant", refused.message, refused.extras);
    if (refused.code === "insufficient_scope") throw new Problem("invalid_scope", refused.message, refused.extras);
    throw refused;
  }
}
