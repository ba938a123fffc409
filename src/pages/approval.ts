import { Hono } from "hono";
import { html } from "hono/html";
import { sessionOf } from "../auth/caller.ts";
import { formToken } from "../auth/form_token.ts";
import { configOf, type Config } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { ApprovalDecision } from "../vault/calls/approvals.ts";
import type { Caller } from "../vault/tokens/caller.ts";
import type { ToldQuestion } from "../vault/calls/manage_approvals.ts";
import { postedForm } from "./form.ts";
import { plain } from "../vault/plain.ts";
import { page } from "./layout.ts";
import { signInPage } from "./sign_in.ts";

const DECISIONS: Record<ApprovalDecision, string> = {
  once: "Approve once",
  "10m": "Approve this address for 10 minutes",
  "1h": "Approve this address for 1 hour",
  always: "Always approve this address",
  no: "Deny",
};
const DONE: Record<ApprovalDecision, string> = {
  once: "The call may go out, once.",
  "10m": "Calls to this address may go out for ten minutes.",
  "1h": "Calls to this address may go out for an hour.",
  always: "Calls to this address may go out. The rule stands in the token's policy.",
  no: "The call is refused.",
};

/**
 * Where a person answers a call that waits (DESIGN D14), from a link, on a phone, without script. What the program sent stands in a
 * box of its own, and nothing of it in a sentence of ours: it is written by whoever wants the yes (SECURITY S21).
 */
export const approval = new Hono<{ Bindings: Env }>()
  .get("/approvals/:id", async ({ env, req }) => {
    const config = configOf(env);
    try {
      const { vault_id, caller } = sessionOf(req.raw, config, ["session"]);
      const question = await ask(env.USER_VAULT.getByName(vault_id).readQuestion(caller, req.param("id")));
      return await questionPage(config, caller, question);
    } catch (refused) {
      if (refused instanceof Problem && refused.code === "invalid_token") return signInPage(config.sign_in, req.path);
      throw refused;
    }
  })
  .post("/approvals/:id", async ({ env, req }) => {
    const config = configOf(env);
    const id = req.param("id");
    const { vault_id, caller, fields } = await postedForm(req.raw, config, formOf(id));
    const decision = fields("decision")[0] ?? "";
    if (!isDecision(decision)) throw new Problem("invalid_request", "Answer with one of the buttons.");
    await ask(env.USER_VAULT.getByName(vault_id).answerQuestion(caller, id, decision));
    return page(
      decision === "no" ? "Denied" : "Approved",
      html`<h1>${decision === "no" ? "Denied" : "Approved"}</h1>
        <p>${DONE[decision]} You can close this page.</p>`,
    );
  });

/** The form token of one question answers no other. */
function formOf(id: string): string {
  return `approval/${id}`;
}

function isDecision(text: string): text is ApprovalDecision {
  return Object.hasOwn(DECISIONS, text);
}

function questionPage(config: Config, caller: Caller, question: ToldQuestion) {
  const { id, decision, actor, key, method, host, path, ip, country, expires_at } = question;
  const facts = html`<figure class="asked">
    <figcaption>What the program asks for. Nothing in this box was written by API Locker.</figcaption>
    <dl>
      <dt>Method</dt>
      <dd><code>${method}</code></dd>
      <dt>Path</dt>
      <dd><code>${path}</code></dd>
      <dt>Token</dt>
      <dd><code>${plain(actor.name)}</code></dd>
      <dt>Key</dt>
      <dd><code>${plain(key.name)}</code></dd>
      <dt>From</dt>
      <dd><code>${ip} ${country}</code></dd>
    </dl>
  </figure>`;
  const open = decision === undefined && Date.parse(expires_at) > Date.now();
  if (!open)
    return page(
      "Question",
      html`<h1>${decision === undefined ? "This question is too old" : "This question was answered"}</h1>
        <p>${decision === undefined ? "Let the program ask again." : DONE[decision]}</p>
        ${facts}`,
    );
  const [once, ...others] = Object.entries(DECISIONS).filter(([value]) => value !== "no");
  return page(
    "A call waits for your answer",
    html`<h1>A call waits for your answer</h1>
      <p>With your key, a program wants to call</p>
      <p class="large">${host}</p>
      ${facts}
      <form method="post" action="/approvals/${id}">
        <input type="hidden" name="form_token" value="${formToken(config, formOf(id), caller.hash)}" />
        <p class="answers">
          <button name="decision" value="no" class="secondary">${DECISIONS.no}</button>
          <button name="decision" value="${once?.[0]}">${once?.[1]}</button>
        </p>
        <details>
          <summary>Approve more than this call</summary>
          <p>An address is the host and path above with this method, whatever is sent there.</p>
          ${others.map(
            ([value, text]) => html`<p><button name="decision" value="${value}" class="secondary">${text}</button></p>`,
          )}
        </details>
      </form>`,
  );
}
