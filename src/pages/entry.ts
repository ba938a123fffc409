import { Hono } from "hono";
import { html } from "hono/html";
import { assertSameOrigin, sessionOf } from "../auth/caller.ts";
import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { EntryPage } from "../vault/entry_links.ts";
import { secretFieldsOf } from "../catalog/provider.ts";
import { page } from "./layout.ts";
import { signInPage } from "./sign_in.ts";

const FORM_BYTES = 256 * 1024;
const SECRET_LENGTH = 64 * 1024;
const PRINTABLE = /^[\x20-\x7e]+$/;

/**
 * One-time pages on which a person types a secret, so that it passes through no program and no model. The page says in large
 * type where the secret will go and who asked; it works only for the vault's own signed-in person and is used up by the post.
 */
export const entry = new Hono<{ Bindings: Env }>()
  .get("/entry/:handle", async ({ env, req }) => {
    const config = configOf(env);
    try {
      const { vault_id, caller } = sessionOf(req.raw, config, ["session"]);
      const vault = env.USER_VAULT.getByName(vault_id);
      return await form(await ask(vault.readEntryLink(caller, req.param("handle"))), req.path);
    } catch (refused) {
      if (refused instanceof Problem && refused.code === "invalid_token") return signInPage(config.sign_in, req.path);
      throw refused;
    }
  })
  .post("/entry/:handle", async ({ env, req }) => {
    const config = configOf(env);
    assertSameOrigin(req.raw, config);
    const { vault_id, caller } = sessionOf(req.raw, config, ["session"]);
    const vault = env.USER_VAULT.getByName(vault_id);
    const handle = req.param("handle");
    const { key } = await ask(vault.readEntryLink(caller, handle));
    const secret = await secretOf(req.raw, secretFieldsOf(key.destination.placement));
    const stored = await ask(vault.useEntryLink(caller, handle, secret));
    return page(
      "Stored",
      html`<h1>Stored</h1>
        <p>${stored.name} has its new secret (version ${stored.version}). You can close this page.</p>`,
    );
  });

async function form({ key, asked_by }: EntryPage, action: string): Promise<Response> {
  const { origin, base_path, placement } = key.destination;
  return page(
    `Secret for ${key.name}`,
    html`<h1>Type the secret for ${key.name}</h1>
      <p>It will be sent to</p>
      <p class="large">${new URL(origin).host}</p>
      <p>and nowhere else (${origin}${base_path}). <strong>${asked_by}</strong> asked for it.</p>
      <form method="post" action="${action}" autocomplete="off">
        ${secretFieldsOf(placement).map(
          (field) =>
            html`<p>
              <label>${field}<br /><input type="password" name="${field}" required autocomplete="off" /></label>
            </p>`,
        )}
        <button>Store</button>
      </form>`,
  );
}

async function secretOf(request: Request, fields: readonly string[]): Promise<Record<string, string>> {
  if (Number(request.headers.get("content-length") ?? FORM_BYTES + 1) > FORM_BYTES) {
    throw new Problem("too_large", "The form is larger than a secret may be.");
  }
  const given = await request.formData();
  return Object.fromEntries(
    fields.map((field) => {
      const value = given.get(field);
      const text = typeof value === "string" ? value.trim() : "";
      if (!PRINTABLE.test(text) || text.length > SECRET_LENGTH) {
        const errors = [{ field, rule: "must be printable ASCII without line breaks, at most 64 KiB" }];
        throw new Problem("invalid_request", `${field}: must be printable ASCII without line breaks.`, { errors });
      }
      return [field, text];
    }),
  );
}
