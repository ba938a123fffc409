import { html } from "hono/html";
import type { SignInProvider } from "../config.ts";
import { page } from "./layout.ts";

/** Every way to sign in, leading back to where the person wanted to go. */
export function signInPage(providers: readonly SignInProvider[], return_to: string): Promise<Response> {
  const ways = providers.map(({ id, name }) => {
    const href = `/auth/${id}?${new URLSearchParams({ return_to }).toString()}`;
    return html`<p><a class="button" href="${href}">Sign in with ${name}</a></p>`;
  });
  return page(
    "Sign in",
    html`<h1>API Locker</h1>
      <p>Your apps and agents use your API keys. They never see them.</p>
      ${ways.length > 0 ? ways : html`<p>No identity provider is configured.</p>`}`,
  );
}
