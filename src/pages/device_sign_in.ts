import { html } from "hono/html";
import type { AuthorizationRequest, ConsentPage } from "../vault/tokens/authorizations.ts";
import { approvalFields, deviceFacts, yesOrNo } from "./device_approval.ts";
import { leadingTo, page } from "./layout.ts";

/** What a person is asked when `apilocker login` has opened this browser: the answer goes back to a port of this computer (RFC 8252). */
export async function deviceSignInPage(
  { device = { name: "unnamed device", platform: "unknown" }, redirect_uri }: AuthorizationRequest,
  { handle, account, keys }: ConsentPage,
): Promise<Response> {
  const hidden = html`<input type="hidden" name="handle" value="${handle}" />`;
  const response = await page(
    "Let this computer in?",
    html`<h1>Let the command line of this computer in as ${account}?</h1>
      ${deviceFacts(device, { "Answer goes to": `this computer (${new URL(redirect_uri).host})` })}
      <p>
        It will be able to manage your keys, tokens and clients.
        <strong>Any program on this computer can ask.</strong> Approve only if you have just run
        <code>apilocker login</code> yourself.
      </p>
      <form method="post" action="/authorize/device" autocomplete="off">
        ${hidden} ${approvalFields(device, keys)} ${yesOrNo}
      </form>
      <form method="post" action="/authorize/device" id="deny">
        ${hidden} <input type="hidden" name="decision" value="deny" />
      </form>`,
  );
  return leadingTo(response, redirect_uri);
}
