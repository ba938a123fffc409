import ipaddr from "ipaddr.js";
import type * as z from "zod";
import { CUSTOM, providerOf } from "../catalog/catalog.ts";
import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";
import type { Destination } from "../vault/keys.ts";
import type { NewKey } from "./schema.ts";

const DEFAULT_PLACEMENT = { in: "bearer" } as const;

/** Where a new key's secret will go: from the catalog, or as the person says. Refuses what is no public https address. */
export function destinationOf(key: z.output<typeof NewKey>, config: Config): Destination {
  const provider = providerOf(key.provider);
  if (provider === undefined && key.provider !== CUSTOM)
    throw invalid("provider", `must be a provider of /v1/providers or "${CUSTOM}"`);
  const given = key.base_url ?? provider?.base_url;
  if (given === undefined) throw invalid("base_url", `must be given for the provider "${CUSTOM}"`);
  const { origin, base_path } = readBaseUrl(given, config);
  const placement = key.placement ?? provider?.placement ?? DEFAULT_PLACEMENT;
  assertFields(key, placement);
  return { provider: key.provider, origin, base_path, placement, headers: { ...provider?.headers, ...key.headers } };
}

/** An upstream's address in parts. Host, scheme and base path of every call come from here. */
export function readBaseUrl(text: string, config: Config): { origin: string; base_path: string } {
  const url = URL.parse(text);
  if (
    url === null ||
    url.username !== "" ||
    url.password !== "" ||
    url.search !== "" ||
    url.hash !== "" ||
    /[\\;\s]|%(2f|5c|00|2e)/i.test(text)
  ) {
    throw invalid("base_url", "must be a plain URL without user, query or fragment");
  }
  const local = config.allow_private_upstreams;
  if (url.protocol !== "https:" && !(local && url.protocol === "http:")) throw invalid("base_url", "must be https:");
  if (!local && !isPublicHost(url.hostname)) throw invalid("base_url", "must name a public host");
  if ([config.public_origin, config.proxy_origin].some((own) => new URL(own).host === url.host))
    throw invalid("base_url", "must not be one of our own hosts");
  if (url.pathname.includes("//")) throw invalid("base_url", "must not have an empty path segment");
  return { origin: url.origin, base_path: url.pathname.replace(/\/$/, "") };
}

/** A name with a dot that is no private suffix, or a unicast address; the URL parser has already folded other spellings. */
function isPublicHost(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (ipaddr.isValid(bare)) return ipaddr.process(bare).range() === "unicast";
  return (
    bare.includes(".") &&
    !/(^|\.)(localhost|local|internal|intranet|lan|home|corp|test|invalid|example|onion|arpa)$/i.test(bare)
  );
}

function assertFields(key: z.output<typeof NewKey>, placement: Destination["placement"]): void {
  const fields = new Set(key.secret === undefined ? Object.keys(key.fields ?? {}) : ["secret"]);
  const wanted =
    placement.in === "headers"
      ? [
          ...new Set(
            Object.values(placement.headers).flatMap((template) =>
              [...template.matchAll(/\{([a-z_]+)\}/g)].map(([, field]) => field as string),
            ),
          ),
        ]
      : placement.in === "basic"
        ? fields.has("secret")
          ? ["secret"]
          : ["username", "password"]
        : ["secret"];
  for (const field of wanted)
    if (!fields.has(field))
      throw invalid(field === "secret" ? "secret" : `fields.${field}`, "is needed by this placement");
  for (const field of fields)
    if (!wanted.includes(field)) throw invalid(`fields.${field}`, "is not used by this placement");
}

function invalid(field: string, rule: string): Problem {
  return new Problem("invalid_request", `${field}: ${rule}.`, { errors: [{ field, rule }] });
}
