import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { Browser } from "./browser.ts";
import type { OAuthUpstream } from "./oauth_upstream.ts";

/** How a key for that provider is stored: its API, its endpoints and the person's own client there. */
export function connectedKey({ origin, client_id, client_secret }: OAuthUpstream, more: object = {}) {
  const placement = {
    in: "oauth",
    authorize_url: `${origin}/auth`,
    token_url: `${origin}/token`,
    revoke_url: `${origin}/token/revocation`,
    scopes: "openid offline_access things:read",
    authorize_parameters: { access_type: "offline" },
  };
  const fields = { client_id, client_secret };
  return { name: "account", provider: "custom", base_url: `${origin}/api`, placement, fields, ...more };
}

/** The person's browser, signed in to the locker. */
export function browserOf({ origin, cookie }: Person): Browser {
  const browser = new Browser();
  const [name = "", ...value] = cookie.split("=");
  browser.plant(origin, name, value.join("="));
  return browser;
}

/** Asks for a link, sets out from its page and comes back: the last page of ours, and every address on the way. */
export async function connectByBrowser(
  { publicOrigin }: LocalLocker,
  person: Person,
  key = "account",
): Promise<{ response: Response; addresses: string[]; browser: Browser }> {
  const { url } = await person.api<{ url: string }>("POST", `/v1/keys/${key}/connect`);
  const browser = browserOf(person);
  const addresses = [url];
  const sent = await browser.visit(url, { method: "POST", headers: { origin: publicOrigin } });
  let at = new URL(sent.headers.get("location") ?? "");
  for (let hop = 0; hop < 10; hop++) {
    addresses.push(at.href);
    const response = await browser.visit(at);
    const location = response.headers.get("location");
    if (location === null) return { response, addresses, browser };
    at = new URL(location, at);
  }
  throw new Error("redirected without end");
}
