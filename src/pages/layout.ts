import { html } from "hono/html";

/** Markup whose interpolations were escaped by `html`. */
export type Markup = ReturnType<typeof html>;

/** What every answer of ours to a browser carries, page or asset (SECURITY S25). */
export const BROWSER_HEADERS = {
  // `same-origin` keeps the Origin of form posts.
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  // Browsers heed it over https only, so a local run does not mind.
  "strict-transport-security": "max-age=31536000; includeSubDomains",
};

const HEADERS = {
  ...BROWSER_HEADERS,
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  // No script at all: what a page of ours shows was made on the server.
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
};

/** A whole page of ours. `wide` is for what is read rather than answered. */
export async function page(title: string, body: Markup, status = 200, width: "narrow" | "wide" = "narrow") {
  const markup = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${title} · API Locker</title>
        <link rel="icon" href="/icon.svg" />
        <link rel="stylesheet" href="/style.css" />
      </head>
      <body class="${width}">
        <a class="brand" href="/">${LOGO} API Locker</a>
        <main>${body}</main>
      </body>
    </html>`;
  return new Response(String(markup), { status, headers: HEADERS });
}

const LOGO = html`<svg viewBox="0 0 24 24" aria-hidden="true">
  <rect x="2" y="2" width="20" height="20" rx="6" fill="var(--accent)" />
  <path d="M12 7.25a2.6 2.6 0 0 0-1.2 4.9l-.55 4.1h3.5l-.55-4.1a2.6 2.6 0 0 0-1.2-4.9Z" fill="#fff" />
</svg>`;
/** The page with a form whose answer is a redirect to that address, which browsers hold against `form-action` too. It knows no IPv6 addresses. */
export function leadingTo(page: Response, redirect_uri: string): Response {
  const { origin, hostname } = new URL(redirect_uri);
  const target = hostname.startsWith("[") ? "http:" : origin;
  const policy = page.headers.get("content-security-policy") ?? "";
  page.headers.set("content-security-policy", policy.replace("form-action 'self'", `form-action 'self' ${target}`));
  return page;
}
