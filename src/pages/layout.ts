import { html } from "hono/html";

/** Markup whose interpolations were escaped by `html`. */
export type Markup = ReturnType<typeof html>;

const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  // No script at all: what a page of ours shows was made on the server. `same-origin` keeps form posts' Origin (SECURITY S25).
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "cross-origin-opener-policy": "same-origin",
};

/** A whole page of ours. */
export async function page(title: string, body: Markup, status = 200): Promise<Response> {
  const markup = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${title} · API Locker</title>
        <link rel="stylesheet" href="/style.css" />
      </head>
      <body>
        ${body}
      </body>
    </html>`;
  return new Response(String(markup), { status, headers: HEADERS });
}
