import { html } from "hono/html";
import { page } from "./layout.ts";

/** The part of an OpenAPI document that is shown. */
export type Documented = {
  paths: Record<
    string,
    Record<
      string,
      {
        summary: string;
        "x-authority": readonly string[];
        requestBody?: unknown;
        parameters: { name: string; in: string; schema: unknown }[];
      }
    >
  >;
};

const CALLERS: Record<string, string> = {
  session: "a signed-in browser",
  session_recent: "a browser that signed in within ten minutes",
  device: "a device token",
  app: "an app token",
  refresh: "an app token's refresh token",
};

/** The API in a readable form, made on the server; there is no script and nothing to try it with (SECURITY S28). */
export function docsPage({ paths }: Documented): Promise<Response> {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
  );
  return page(
    "API",
    html`<h1>API Locker: the API</h1>
      <p>
        The same as <a href="/openapi.json">OpenAPI 3.1</a>. Refusals are <code>application/problem+json</code> (RFC
        9457).
      </p>
      ${operations.map(
        ({ path, method, summary, parameters, requestBody, "x-authority": may }) =>
          html`<section>
            <h2><code>${method} ${path}</code></h2>
            <p>${summary}. By ${may.map((authority) => CALLERS[authority] ?? authority).join(" or ") || "anybody"}.</p>
            ${parameters.length > 0 ? html`<p>Parameters: <code>${parameters.map(({ name }) => name).join(", ")}</code></p>` : ""}
            ${requestBody === undefined ? "" : html`<pre tabindex="0">${JSON.stringify(requestBody, null, 2)}</pre>`}
          </section>`,
      )}`,
    200,
    "wide",
  );
}
