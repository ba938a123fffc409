import type { TokenKind } from "../../crypto/token.ts";
import type { Freeze } from "../account/frozen.ts";
import type { Policy } from "../policy/policy.ts";

/** A token of this vault. Times are epoch milliseconds. */
export type Token = {
  id: string;
  kind: TokenKind;
  hash: string;
  /** The token, device or grant that minted it; null for what a person made. */
  parent_id: string | null;
  name: string;
  policy: Policy;
  created_at: number;
  /** When the person behind a session proved who they are. */
  signed_in_at: number | null;
  expires_at: number | null;
  seen_at: number | null;
  paused_at: number | null;
  revoked_at: number | null;
  /** The freeze that lies over all tokens of its vault. */
  frozen: Freeze | null;
  uses: number;
  refused: number;
  last_used_at: number | null;
  /** Of a token that rotates: the generation that the caller's access token belongs to, whose expiry `expires_at` then is. */
  generation?: number | undefined;
  /** That access token is older than the generation before the newest: it is dead (SECURITY S7). */
  superseded?: boolean | undefined;
};

/** What a new token starts with. One that rotates has no hash of its own: it is known by its access tokens. */
export type NewToken = Pick<Token, "kind" | "name" | "policy" | "expires_at" | "signed_in_at"> & {
  hash: string | null;
  parent_id?: string | undefined;
};
