import { examine } from "../account/doctor.ts";
import { inventory } from "../account/inventory.ts";
import { keyDetails, type KeyDetails } from "../keys/change_keys.ts";
import { withUses } from "../keys/key_uses.ts";
import type { KeyFilter } from "../keys/keys.ts";
import type { Parts } from "../parts.ts";
import { explain, type Question } from "../policy/explain.ts";
import { listDevices } from "../tokens/manage_devices.ts";
import { listGrants } from "../tokens/manage_grants.ts";
import type { TokenFilter } from "../tokens/token_rows.ts";
import { withRotation, withUses as withTokenUses } from "../tokens/manage_tokens.ts";

/** Questions that all a tool tells may come from, put by somebody who was let in. Each of them only reads. */
export const READINGS = {
  listKeys: (parts: Parts, before: string | undefined, limit: number, filter: KeyFilter) =>
    withUses(parts, parts.keys.list(before, limit, filter)),
  getKey: (parts: Parts, ref: string) => withUses(parts, [keyDetails(parts, ref)])[0] as KeyDetails,
  listTokens: (parts: Parts, before: string | undefined, limit: number, filter: TokenFilter) =>
    withRotation(parts, withTokenUses(parts, parts.tokens.list("app", before, limit, parts.reach, filter))),
  listDevices: (parts: Parts, before: string | undefined, limit: number) => listDevices(parts, before, limit),
  listGrants: (parts: Parts, before: string | undefined, limit: number) => listGrants(parts, before, limit),
  explain: (parts: Parts, question: Question) => explain(parts, question),
  doctor: (parts: Parts) => examine({ ...inventory(parts), frozen: parts.tokens.frozen, now: Date.now() }),
};

export type ReadingName = keyof typeof READINGS;
/** One of them, as a router asks it. */
export type Reading = { name: ReadingName; args: readonly unknown[] };
