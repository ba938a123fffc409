import { Hono } from "hono";
import { html } from "hono/html";
import { assertSameOrigin, sessionOf } from "../auth/caller.ts";
import { optionalFieldsOf, secretFieldsOf } from "../catalog/provider.ts";
import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { Destination } from "../vault/keys/key.ts";
import type { Act } from "../vault/keys/agreement.ts";
import type { Done, ShownPage } from "../vault/keys/page_links.ts";
import type { Secret } from "../vault/keys/sealer.ts";
import { fieldsOf } from "./form.ts";
import { plain } from "../vault/plain.ts";
import { page, type Markup } from "./layout.ts";
import { signInPage } from "./sign_in.ts";

const SECRET_LENGTH = 64 * 1024;
/** Keys in PEM have lines; nothing else that is shown upstream does. */
const LINES = new Set(["private_key"]);
const PRINTABLE = /^[\x20-\x7e]+$/;
const PRINTABLE_LINES = /^[\x20-\x7e\r\n]+$/;

/**
 * One-time pages on which a person types or sees a secret, so that it passes through no program and no model. The page says in
 * large type what it is about and who asked; it works only for the vault's own signed-in person and is used up by the post.
 */
export const entry = new Hono<{ Bindings: Env }>()
  .get("/entry/:handle", async ({ env, req }) => {
    const config = configOf(env);
    try {
      const { vault_id, caller } = sessionOf(req.raw, config, ["session"]);
      const vault = env.USER_VAULT.getByName(vault_id);
      return await form(await ask(vault.readPageLink(caller, req.param("handle"))), req.path);
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
    const shown = await ask(vault.readPageLink(caller, handle));
    const secret = "destination" in shown ? await secretOf(req.raw, shown.destination) : {};
    return done(await ask(vault.usePageLink(caller, handle, secret)));
  });

function form(shown: ShownPage, action: string): Promise<Response> {
  const asked = html`<strong>${shown.asked_by}</strong> asked for it.`;
  switch (shown.kind) {
    case "store":
      return page(
        `Store ${shown.name}`,
        html`<h1>Type the secret for the new key ${shown.name}</h1>
          ${whereTo(shown.destination)} ${asked} ${fields(shown.destination, action)}`,
      );
    case "rotate":
      return page(
        `Secret for ${shown.key.name}`,
        html`<h1>Type the secret for ${shown.key.name}</h1>
          ${whereTo(shown.destination)} ${asked} ${fields(shown.destination, action)}`,
      );
    case "reveal":
      return page(
        `Reveal ${shown.key.name}`,
        html`<h1>Show the secret of this key?</h1>
          <p class="large">${shown.key.name}</p>
          <p>
            It is shown to you here, once, and to nobody else. Nobody who asks you to paste it elsewhere needs it.
            ${asked}
          </p>
          ${button(action, "Show it")}`,
      );
    case "mint":
      return page(
        `New token ${plain(shown.name)}`,
        html`<h1>Make this app token?</h1>
          <p class="large">${plain(shown.name)}</p>
          <p>
            ${shown.keys === null ? html`It reaches <strong>every key</strong>, also those stored later.` : html`It reaches: <strong>${shown.keys.join(", ")}</strong>.`}
          </p>
          ${rules(shown.policy)}
          <p>It is shown to you here, once. It ends when whoever asked for it is disconnected. ${asked}</p>
          ${button(action, "Make it")}`,
      );
    case "agree":
      return page(
        DEEDS[shown.act].question,
        html`<h1>${DEEDS[shown.act].question}</h1>
          ${shown.act === "freeze_vault" ? "" : html`<p class="large">${plain(shown.name)}</p>`}
          <p>${DEEDS[shown.act].means}</p>
          <p>${asked} Close this page if you did not expect it.</p>
          ${button(action, "Allow")}`,
      );
  }
}

function done(came: Done): Promise<Response> {
  switch (came.kind) {
    case "store":
    case "rotate": {
      const { key } = came;
      const connects = key.destination.placement.in === "oauth" && key.connection === null;
      return page(
        "Stored",
        html`<h1>Stored</h1>
          <p>${key.name} has its secret (version ${key.version}). You can close this page.</p>
          ${connects ? html`<p><a class="button" href="/keys/${key.id}">Connect it to its provider</a></p>` : ""}`,
      );
    }
    case "reveal":
      return page(
        `Secret of ${came.key.name}`,
        html`<h1>Secret of ${came.key.name}</h1>
          ${Object.entries(came.secret).map(
            ([field, text]) =>
              html`<p>${field}</p>
                <pre>${text}</pre>`,
          )}
          <p>It will not be shown again here. Close this page when you have it.</p>`,
      );
    case "mint":
      return page(
        `Token ${plain(came.minted.row.name)}`,
        html`<h1>Token ${plain(came.minted.row.name)}</h1>
          <pre>${came.minted.token}</pre>
          ${
            came.minted.refresh_token === undefined
              ? ""
              : html`<p>Refresh token</p>
                  <pre>${came.minted.refresh_token}</pre>`
          }
          <p>It will not be shown again. Give it to the app that needs it, and to no chat.</p>`,
      );
    case "agree":
      return page(
        "Allowed",
        html`<h1>Allowed</h1>
          <p>Whoever asked may do it once now, within ten minutes of asking. Go back and let it go on.</p>`,
      );
  }
}

const UNDO = "For seven days you can undo it, in the activity.";

/** What a person is asked to agree to, in our words only. */
const DEEDS: Record<Act, { question: string; means: string }> = {
  delete_key: { question: "Delete this key?", means: `Everything that uses it stops at once. ${UNDO}` },
  revoke_token: { question: "Revoke this app token?", means: `Apps that use it stop at once. ${UNDO}` },
  revoke_device: { question: "Revoke this device?", means: `It is signed out at once. ${UNDO}` },
  revoke_client: { question: "Disconnect this client?", means: `Its sessions and calls end at once. ${UNDO}` },
  freeze_vault: {
    question: "Freeze the whole vault?",
    means: "Every key, token, device and client stops at once, until you sign in afresh and unfreeze it.",
  },
};

/** In large type: the one host that the secret will ever be sent to (SECURITY S2). */
function whereTo({ origin, base_path, placement }: Destination): Markup {
  const token_host =
    placement.in === "oauth" ? html` Its client secret goes to ${new URL(placement.token_url).host}.` : "";
  return html`<p>It will be sent to</p>
    <p class="large">${new URL(origin).host}</p>
    <p>and nowhere else (${origin}${base_path}).${token_host}</p>`;
}

const field = (name: string, required: boolean) =>
  html`<p>
    <label
      >${name}${required ? "" : " (optional)"}<br />${
        LINES.has(name)
          ? html`<textarea name="${name}" rows="6" ${required ? "required" : ""} autocomplete="off"></textarea>`
          : html`<input type="password" name="${name}" ${required ? "required" : ""} autocomplete="off" />`
      }</label
    >
  </p>`;

function fields({ placement }: Destination, action: string): Markup {
  return html`<form method="post" action="${action}" autocomplete="off">
    ${secretFieldsOf(placement).map((name) => field(name, true))}
    ${optionalFieldsOf(placement).map((name) => field(name, false))}
    <button>Store</button>
  </form>`;
}

/** What was wished beyond the keys, as it was wished. */
function rules({ keys: _shown, ...policy }: object & { keys?: unknown }): Markup | string {
  const said = Object.entries(policy).filter(([, value]) => value !== undefined);
  if (said.length === 0) return "";
  return html`<ul>
    ${said.map(([name, value]) => html`<li>${name}: <code>${name === "expires_at" ? new Date(value as number).toISOString() : JSON.stringify(value)}</code></li>`)}
  </ul>`;
}

function button(action: string, label: string): Markup {
  return html`<form method="post" action="${action}"><button>${label}</button></form>`;
}

async function secretOf(request: Request, { placement }: Destination): Promise<Secret> {
  const given = await fieldsOf(request);
  const optional = new Set(optionalFieldsOf(placement));
  const typed = [...secretFieldsOf(placement), ...optional].flatMap((field) => {
    const text = given(field)[0]?.trim() ?? "";
    if (text === "" && optional.has(field)) return [];
    const allowed = LINES.has(field) ? PRINTABLE_LINES : PRINTABLE;
    if (!allowed.test(text) || text.length > SECRET_LENGTH) {
      const errors = [{ field, rule: "must be printable ASCII without line breaks, at most 64 KiB" }];
      throw new Problem("invalid_request", `${field}: must be printable ASCII without line breaks.`, { errors });
    }
    return [[field, text]];
  });
  return Object.fromEntries(typed) as Secret;
}
