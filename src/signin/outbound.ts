import * as oauth from "oauth4webapi";
import type { Config } from "../config.ts";

/** How we call providers: plain http only where everything runs on one machine. */
export function outbound(config: Config) {
  return { [oauth.allowInsecureRequests]: config.local, [oauth.customFetch]: uncached };
}

/** No shared cache between us and a provider (SECURITY S10), and no answer that never comes. */
function uncached(url: string, init: oauth.CustomFetchOptions<string, unknown>): Promise<Response> {
  const { method, headers, body } = init;
  return fetch(url, {
    method,
    headers,
    body: (body ?? null) as BodyInit | null,
    redirect: "manual",
    cache: "no-store",
    signal: AbortSignal.timeout(10_000),
  });
}
