import * as oauth from "oauth4webapi";
import type { Config } from "../config.ts";

/** How we call providers: plain http only where everything runs on one machine. */
export function outbound(config: Config) {
  return { [oauth.allowInsecureRequests]: config.local, [oauth.customFetch]: uncached };
}

/** The provider did not answer, or answered that it cannot now. That says nothing of whoever signs in. */
export class ProviderAway extends Error {}

function uncached(url: string, init: oauth.CustomFetchOptions<string, unknown>): Promise<Response> {
  const { method, headers, body } = init;
  return fetchProvider(url, { method, headers, body: (body ?? null) as BodyInit | null });
}

/**
 * No shared cache between us and a provider (SECURITY S10), and no answer that never comes: it is read whole here, since one that
 * breaks off in its middle was none either.
 */
export async function fetchProvider(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  let body: ArrayBuffer;
  try {
    response = await fetch(url, {
      ...init,
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(10_000),
    });
    body = await response.arrayBuffer();
  } catch (cause) {
    throw new ProviderAway("no answer", { cause });
  }
  if (response.status >= 500) throw new ProviderAway(`answered ${response.status}`);
  return new Response(body.byteLength === 0 ? null : body, response);
}
