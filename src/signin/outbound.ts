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

/** No shared cache between us and a provider (SECURITY S10), and no answer that never comes. */
export async function fetchProvider(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, {
      ...init,
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(10_000),
    });
  } catch (cause) {
    throw new ProviderAway("no answer", { cause });
  }
  if (response.status < 500) return response;
  await response.body?.cancel();
  throw new ProviderAway(`answered ${response.status}`);
}
