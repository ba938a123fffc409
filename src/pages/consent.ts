import { html } from "hono/html";
import type { Problem } from "../problem.ts";
import type { AuthorizationRequest, ConsentPage } from "../vault/tokens/authorizations.ts";
import type { Scope } from "../vault/policy/scopes.ts";
import { leadingTo, page } from "./layout.ts";
import { whenAsked } from "./when_asked.ts";

/** Scopes in plain words. */
const MEANING: Record<Scope, string> = {
  "vault:read": "See the names and details of your keys, apps and activity. Not the secrets.",
  "vault:proxy": "Use your keys: call the services they are for, without seeing them.",
  "vault:write": "Change things: add, rotate, pause and delete keys, make and revoke tokens.",
  "vault:reveal": "Ask to see a secret itself. You confirm each one on a page of ours.",
};

/**
 * What a person is asked before a client is let in: who asks, where the answer goes, for what, with which keys and how long. Plain
 * HTML without script. Everything that the client says of itself is escaped and is said to be unverified where it is.
 */
export async function consentPage(request: AuthorizationRequest, shown: ConsentPage): Promise<Response> {
  const { client, scopes, redirect_uri } = request;
  const { host } = new URL(redirect_uri);
  const local = redirect_uri.startsWith("http:");
  const response = await page(
    "Connect an app",
    html`<h1>Let <q>${client.name}</q> use your vault?</h1>
      <p>You are signed in as <strong>${shown.account}</strong>. The answer goes to</p>
      <p class="large">${local ? `this computer (${host})` : host}</p>
      ${whoIs(request)}
      ${
        local
          ? html`<p>
              <strong>Any program on this computer can listen there.</strong> Go on only if you have just started this
              yourself.
            </p>`
          : ""
      }
      <form method="post" action="/authorize">
        <input type="hidden" name="handle" value="${shown.handle}" />
        <fieldset>
          <legend>It may</legend>
          ${scopes.map(
            (scope) =>
              html`<p>
                <label
                  ><input type="checkbox" name="scope" value="${scope}" ${scope === "vault:reveal" ? "" : "checked"} />
                  <span>${MEANING[scope]} <code>${scope}</code></span></label
                >
              </p>`,
          )}
        </fieldset>
        <fieldset>
          <legend>With</legend>
          <p>
            <label><input type="radio" name="reach" value="all" checked /> every key, also those stored later</label>
          </p>
          <p>
            <label><input type="radio" name="reach" value="chosen" /> only these:</label>
          </p>
          ${shown.keys.map(
            ({ id, name, provider }) =>
              html`<p class="choice">
                <label><input type="checkbox" name="key" value="${id}" /> ${name} (${provider})</label>
              </p>`,
          )}
          ${shown.keys.length === 0 ? html`<p class="choice">You have no keys yet.</p>` : ""}
          ${shown.more_keys ? html`<p class="choice">Only your newest keys are listed here.</p>` : ""}
        </fieldset>
        ${scopes.includes("vault:proxy") ? whenAsked : ""}
        <p>
          <label
            >For
            <select name="lasts">
              <option value="hour">one hour</option>
              <option value="day">one day</option>
              <option value="week">seven days</option>
              <option value="month">30 days</option>
              <option value="always" selected>until I disconnect it, at most a year</option>
            </select></label
          >
        </p>
        <p>
          <button name="decision" value="allow">Allow</button>
          <button name="decision" value="deny">Cancel</button>
        </p>
      </form>`,
  );
  return leadingTo(response, redirect_uri);
}

/** Who the client is, as far as anybody knows. */
function whoIs({ client, client_id }: AuthorizationRequest) {
  switch (client.registration) {
    case "document":
      return html`<p>The app is described at <strong>${new URL(client_id).host}</strong>. We have not verified it.</p>`;
    case "registered":
      return html`<p><strong>Unverified.</strong> The app registered itself; anybody can use any name.</p>`;
    case "first_party":
      return html`<p>
        <strong>Unverified.</strong> It says that it is our own command-line program; any program can say so.
      </p>`;
  }
}

/** A request that an app got wrong; the person decides whether to go back to where it came from. */
export function refusedRequestPage(problem: Problem, back: string): Promise<Response> {
  return page(
    problem.title,
    html`<h1>${problem.title}</h1>
      <p>${problem.message} The app that sent you here made a mistake.</p>
      <p>You can go back to it at</p>
      <p class="large">${new URL(back).host}</p>
      <p><a class="button" href="${back}" rel="noreferrer">Go back</a> if you know that address.</p>`,
    problem.status,
  );
}
