import { Hono } from "hono";
import { html } from "hono/html";
import { Problem, type ProblemCode } from "../problem.ts";
import { page } from "./layout.ts";

/** What a program that is refused should know and do, by code. `estimate_needed` is between router and vault. */
const MEANINGS: Record<Exclude<ProblemCode, "estimate_needed">, string> = {
  invalid_request:
    "Something that was sent is not as the API wants it: errors names each field and what it must be. Sent again unchanged it is refused again.",
  invalid_token:
    "No token came, more than one, or one that is malformed, expired or revoked. It will not work again: sign in, or have a new one made.",
  sign_in_failed:
    "The identity provider did not say who it is, or the sign-in took too long. Begin again from the sign-in page.",
  link_required:
    "An account signs in this way already, or this identity belongs to another. Sign in as before and link it under Settings.",
  csrf_refused:
    "A call with a browser's session must come from our own pages. Programs send a token instead of a cookie.",
  browser_refused: "What a provider answers is never shown as a page here. Call the proxy from a program.",
  insufficient_scope:
    "Whoever calls may not do this: it takes more scopes, a device that its owner has unlocked, or a person in the browser who signed in lately.",
  policy_denied:
    "The token's policy does not allow this call. rule names the term that refused; POST /v1/explain shows all of them.",
  approval_required: "A person has to say yes first: approval_url is where. Afterwards send the same request again.",
  not_found: "There is nothing of that name or id, or it is not the caller's to see: the two are told alike.",
  method_not_allowed: "The address is served, but not by this method. The header allow lists those that are.",
  conflict:
    "What is there stands against it: a name that is taken, a limit that is reached, or a thing that has ended.",
  gone: "The account that the token belonged to was deleted, and everything in it.",
  too_large: "The body, the headers or a secret are larger than is taken here.",
  unsupported_media_type: "Send the body as JSON and say so: content-type: application/json.",
  target_refused:
    "The path does not lead to the key's own address, or could be read as another. The key's address is fixed when it is stored.",
  upgrade_required: "This address speaks WebSocket only.",
  misdirected: "The request came to a host that this deployment does not serve.",
  paused:
    "Its owner has paused the key, the token, the device or the client. It goes on once it is resumed; nothing need be changed.",
  frozen: "Its owner has stopped the whole vault. It goes on once they have signed in and unfrozen it.",
  reconnect_required:
    "The provider gives no more access tokens for this key: its owner connects it again. Trying again does not help.",
  access_denied: "Somebody was asked, and said no.",
  invalid_grant:
    "The code or refresh token is used up, expired, revoked or another client's. Begin the authorization again.",
  invalid_client: "The client is not registered here, or did not prove that it is itself.",
  invalid_scope: "The scope is none that is given here, or not to this client.",
  invalid_target: "The resource that was named is not ours. It is the address of /v1/mcp.",
  unauthorized_client: "This client may not use that grant type.",
  unsupported_grant_type: "That grant type is not served; the authorization server's metadata lists those that are.",
  unsupported_response_type: "Only the authorization code flow is served: response_type=code.",
  invalid_redirect_uri: "The redirect URI is none of the client's, or none that can be used.",
  invalid_client_metadata: "What the client says of itself cannot be taken; the detail says which part.",
  authorization_pending: "Nobody has approved or denied the device yet. Ask again after the interval.",
  slow_down: "The device asks more often than it was told to. Wait five seconds longer each time.",
  expired_token: "Nobody answered in time. Begin the device login again.",
  rate_limited:
    "A limit is reached: rule names which, where it is one of the token's policy. Wait as long as retry-after says.",
  upstream_unreachable:
    "The provider could not be reached, or broke off before it answered. Whether it did anything is not known.",
  upstream_refused:
    "The provider answered, but with something that is not passed on: a redirect to one of our own hosts, or an encoding that cannot be searched for the credential.",
  unavailable:
    "Something on our side failed, and nothing was changed. Keep the token, and try again after as long as retry-after says.",
  upstream_timeout: "The provider did not begin to answer in time.",
};

const CODES = Object.keys(MEANINGS) as (keyof typeof MEANINGS)[];

/** What `type` of a refusal leads to (RFC 9457 §3.1.1): a page about the kind of refusal, and one about all. */
export const problems = new Hono<{ Bindings: Env }>()
  .get("/problems", () =>
    page(
      "Refusals",
      html`<h1>Refusals</h1>
        <p>Tell them apart by <code>code</code>. What is wrong with one request is in its <code>detail</code>.</p>
        ${CODES.map((code) => entry(code))}`,
      200,
      "wide",
    ),
  )
  .get("/problems/:code", ({ req }) => {
    const code = CODES.find((known) => known === req.param("code"));
    if (code === undefined) throw new Problem("not_found", "There is no refusal of that name.");
    return page(
      code,
      html`${entry(code)}
        <p><a href="/problems">All refusals</a></p>`,
    );
  });

function entry(code: keyof typeof MEANINGS) {
  const { title, status } = new Problem(code, "");
  return html`<section>
    <h2>${title}</h2>
    <p><code>${code}</code>, ${status}</p>
    <p>${MEANINGS[code]}</p>
  </section>`;
}
