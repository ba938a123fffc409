import { assertSameOrigin, sessionOf } from "../auth/caller.ts";
import { assertFormToken } from "../auth/form_token.ts";
import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";
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
  if (Number(request.headers.get("content-length") ?? FORM_BYTES + 1) > FORM_BYTES)
    throw new Problem("too_large", "The form is larger than this page's.");
  const fields = fieldsOf(await formData(request));
  assertFormToken(config, form, caller.hash, fields("form_token")[0] ?? "");
  return { vault_id, caller, fields };
}

/** All texts of a field. */
function fieldsOf(form: FormData): (name: string) => string[] {
  return (name) => form.getAll(name).filter((value) => typeof value === "string");
}

async function formData(request: Request): Promise<FormData> {
  try {
    return await request.formData();
  } catch {
    throw new Problem("invalid_request", "The body is not a form.");
  }
}
