import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";

/** Where the MCP endpoint is served; the one resource that tokens are for (RFC 8707). */
export const RESOURCE_PATH = "/v1/mcp";

export function resourceOf({ public_origin }: Pick<Config, "public_origin">): string {
  return public_origin + RESOURCE_PATH;
}

/**
 * The resource that a request names, or null where it names none: clients of 2025-03-26 do not. Scheme and host may come in any
 * case and a slash at the end says nothing; whatever else is another resource, and there is none.
 */
export function readResource(config: Config, given: readonly string[]): string | null {
  const resource = resourceOf(config);
  for (const one of given) {
    const url = URL.parse(one);
    if (url === null || url.hash !== "" || url.href.replace(/\/$/, "") !== resource)
      throw new Problem("invalid_target", `resource must be ${resource}.`);
  }
  return given.length === 0 ? null : resource;
}
