import { html } from "hono/html";
import type { SignInProvider } from "../config.ts";
import { page } from "./layout.ts";

/** Every way to sign in, leading back to where the person wanted to go. */
export function signInPage(providers: readonly SignInProvider[], return_to: string): Promise<Response> {
  const ways = providers.map(({ id, name }, index) => {
    const href = `/auth/${id}?${new URLSearchParams({ return_to }).toString()}`;
    return html`<a class="button ${index === 0 ? "primary" : ""}" href="${href}">Sign in with ${name}</a>`;
  });
  return page(
    "Sign in",
    html`<h1>Sign in</h1>
      <p class="quiet">Your apps and agents use your API keys. They never see them, and one click stops any of them.</p>
      ${ways.length > 0 ? html`<p class="ways">${ways}</p>` : html`<p>No identity provider is configured.</p>`}`,
  );
}
