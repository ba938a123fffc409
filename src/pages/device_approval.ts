import { html } from "hono/html";
import { CALLS_A_MINUTE, MOST_A_MINUTE, NAME_LENGTH } from "../auth/device_wish.ts";
import type { RevealChoice } from "../vault/tokens/devices.ts";
import type { Markup } from "./layout.ts";
import { whenAsked } from "./when_asked.ts";

const REVEAL: Record<RevealChoice, string> = {
  none: "no",
  "15m": "for 15 minutes",
  "8h": "for 8 hours",
  always: "as long as it is signed in",
};
const KEYS_SHOWN = 200;

/** Both answers side by side; no has a form of its own, `deny`, which asks for none of the choices. */
export const yesOrNo: Markup = html`<p>
  <button>Approve</button>
  <button form="deny">Deny</button>
</p>`;

/** Which device asks, and where it is or where the answer goes. */
export function deviceFacts(asks: { name: string; platform: string }, where: Record<string, string>): Markup {
  const facts = { Device: asks.name, Platform: asks.platform, ...where };
  return html`<table>
    ${Object.entries(facts).map(
      ([name, fact]) =>
        html`<tr>
          <th>${name}</th>
          <td>${fact}</td>
        </tr>`,
    )}
  </table>`;
}

/** From where it asks. */
export function placeOf(ip: string, country: string): Record<string, string> {
  return { Address: ip, Country: countryName(country) };
}

/** What the person chooses: a name, the keys that the device may use, whether it asks first, and whether it may see secrets. */
export function approvalFields({ name }: { name: string }, keys: readonly { id: string; name: string }[]): Markup {
  return html`<p>
      <label>Name<br /><input name="name" value="${name}" maxlength="${NAME_LENGTH}" /></label>
    </p>
    <fieldset>
      <legend>It may use, without seeing them,</legend>
      <p>
        <label><input type="radio" name="reach" value="all" checked /> every key, also those stored later</label>
      </p>
      <p>
        <label><input type="radio" name="reach" value="chosen" /> only these, and those that it stores itself:</label>
      </p>
      ${keys.slice(0, KEYS_SHOWN).map(
        ({ id, name }) =>
          html`<p class="choice">
            <label><input type="checkbox" name="key" value="${id}" /> ${name}</label>
          </p>`,
      )}
      ${keys.length === 0 ? html`<p class="choice">You have no keys yet.</p>` : ""}
      ${keys.length > KEYS_SHOWN ? html`<p class="choice">Only your newest keys are listed here.</p>` : ""}
    </fieldset>
    <p>
      <label
        >Calls a minute (empty: no limit)<br />
        <input type="number" name="per_minute" value="${CALLS_A_MINUTE}" min="1" max="${MOST_A_MINUTE}"
      /></label>
    </p>
    ${whenAsked}
    <p>
      <label
        >May it see secrets, of keys that are marked as revealable?
        <select name="reveal">
          ${Object.entries(REVEAL).map(([value, text]) => html`<option value="${value}">${text}</option>`)}
        </select></label
      >
    </p>`;
}

/** A country by its English name. `XX`: not known, as on one machine. */
function countryName(code: string): string {
  if (!/^[A-Z]{2}$/.test(code) || code === "XX") return "unknown";
  return new Intl.DisplayNames(["en"], { type: "region" }).of(code) ?? code;
}
