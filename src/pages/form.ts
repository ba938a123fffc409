import { assertSameOrigin, sessionOf } from "../auth/caller.ts";
import { assertFormToken } from "../auth/form_token.ts";
import { readFields } from "../body.ts";
import type { Config } from "../config.ts";
import type { Caller } from "../vault/tokens/caller.ts";

const FORM_BYTES = 256 * 1024;

/** A form that the person of this session posted from a page of ours; the form token says which page. */
export async function postedForm(
  request: Request,
  config: Config,
  form: string,
): Promise<{ vault_id: string; caller: Caller; fields: (name: string) => string[] }> {
  assertSameOrigin(request, config);
  const { vault_id, caller } = sessionOf(request, config, ["session"]);
  const fields = await fieldsOf(request);
  assertFormToken(config, form, caller.hash, fields("form_token")[0] ?? "");
  return { vault_id, caller, fields };
}

/** All texts of each field that was posted. */
export async function fieldsOf(request: Request): Promise<(name: string) => string[]> {
  const posted = await readFields(request, FORM_BYTES);
  return (name) => posted.getAll(name);
}
