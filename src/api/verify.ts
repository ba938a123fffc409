import { createHmac, timingSafeEqual } from "node:crypto";
import type * as z from "zod";
import type { Identified } from "../auth/caller.ts";
import { configOf, type RingKey } from "../config.ts";
import { deriveKey } from "../crypto/seal.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { ChainCheck, type CheckSoFar } from "../vault/audit/chain.ts";
import { checkpointOf } from "../vault/audit/retention.ts";
import { activityPage, following, NEWEST, PAGE_ROWS } from "./activity_page.ts";
import type { Verification } from "./schema.ts";

/** What one request walks: each page is a question to the vault and three to D1. */
const PAGES_A_REQUEST = 20;

/** A check, and below which row it goes on; undefined at the end of the log. */
type Way = { check: ChainCheck; before: number | undefined };

/**
 * Walks the log from the heads that the vault holds to the checkpoint and checks both chains, as far as one request goes. What the next
 * page must begin with, to the hash, is in the cursor: no link between two requests goes unchecked.
 */
export async function verify(
  env: Env,
  who: Identified,
  cursor?: string,
  pages_a_request = PAGES_A_REQUEST,
): Promise<z.output<typeof Verification>> {
  const way = cursor === undefined ? await begun(env, who) : opened(env, who, cursor);
  for (let pages = 0; way.before !== undefined && way.check.fault === undefined && pages < pages_a_request; pages++) {
    const page = await activityPage(env, who, way.before, PAGE_ROWS, {});
    way.check.read(page.rows);
    way.before = following(page, PAGE_ROWS);
  }
  const { rows, read } = way.check.soFar;
  if (way.before !== undefined && way.check.fault === undefined)
    return { rows: read, left: rows.next.seq - rows.from.seq, head: rows.head, next_cursor: sealed(env, who, way) };
  const { heads } = await ask(env.USER_VAULT.getByName(who.vault_id).activity(who.caller, 1, 1, {}));
  const { fault } = way.check.end(heads);
  // What was forgotten meanwhile, being too old, is not missing.
  const purged = fault !== undefined && (await checkpointOf(env.DB, who.vault_id)).head_seq > rows.from.seq;
  return purged
    ? verify(env, who, undefined, pages_a_request)
    : { ok: fault === undefined, rows: read, head: rows.head, fault };
}

async function begun(env: Env, who: Identified): Promise<Way> {
  const from = await checkpointOf(env.DB, who.vault_id);
  const page = await activityPage(env, who, NEWEST, PAGE_ROWS, {});
  const check = ChainCheck.from(page.heads, from);
  check.read(page.rows);
  return { check, before: following(page, PAGE_ROWS) };
}

/** What a caller gives back is believed only where it is what this vault's caller was given. */
function sealed(env: Env, { vault_id }: Identified, { check, before }: Way): string {
  const text = Buffer.from(JSON.stringify({ check: check.soFar, before })).toString("base64url");
  return `${text}.${macOf(configOf(env).root_keys.current, vault_id, text)}`;
}

function opened(env: Env, { vault_id }: Identified, cursor: string): Way {
  const [text = "", mac = ""] = cursor.split(".");
  const known = [...configOf(env).root_keys.by_id.values()].some((root) => {
    const wanted = Buffer.from(macOf(root, vault_id, text));
    return wanted.length === Buffer.byteLength(mac) && timingSafeEqual(wanted, Buffer.from(mac));
  });
  if (!known) {
    const errors = [{ field: "cursor", rule: "must be the next_cursor of the answer before" }];
    throw new Problem("invalid_request", "The cursor is not one of this vault's.", { errors });
  }
  const { check, before } = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as {
    check: CheckSoFar;
    before: number;
  };
  return { check: new ChainCheck(check), before };
}

function macOf(root: RingKey, vault_id: string, text: string): string {
  return createHmac("sha256", deriveKey(root, "activity-check")).update(`${vault_id}.${text}`).digest("base64url");
}
