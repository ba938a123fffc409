import {
  optionalFieldsOf,
  secretFieldsOf,
  type OAuthPlacement,
  type Placement as Placed,
} from "../catalog/provider.ts";
import { CUSTOM, providerOf } from "../catalog/catalog.ts";
import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";
import { isOurs, isPublicHost } from "../vault/alerts/public_host.ts";
import type { Destination } from "../vault/keys/key.ts";
import type { Secret } from "../vault/keys/sealer.ts";
import { parse } from "./parse.ts";
import { Placement } from "./schema/destination.ts";

/** Where a person wants a secret to go; what is left out comes from the catalog. */
export type Wanted = {
  provider: string;
  base_url?: string | undefined;
  placement?: Placed | undefined;
  headers?: Record<string, string> | undefined;
};

const DEFAULT_PLACEMENT = { in: "bearer" } as const;

/** Where a new key's secret will go: from the catalog, or as the person says. Refuses what is no public https address. */
export function destinationOf(key: Wanted, secret: Secret, config: Config): Destination {
  const provider = providerOf(key.provider);
  if (provider === undefined && key.provider !== CUSTOM)
    throw invalid("provider", `must be a provider of /v1/providers or "${CUSTOM}"`);
  const given = key.base_url ?? provider?.base_url;
  if (given === undefined) {
    const hint = provider?.base_url_hint;
    throw invalid("base_url", hint === undefined ? `must be given for "${CUSTOM}"` : `must be given, such as ${hint}`);
  }
  const { origin, base_path } = readBaseUrl(given, config);
  const placement = key.placement ?? provider?.placement ?? DEFAULT_PLACEMENT;
  assertFields(secret, placement);
  if (placement.in === "oauth") assertEndpoints(placement, config);
  return { provider: key.provider, origin, base_path, placement, headers: { ...provider?.headers, ...key.headers } };
}

/** An OAuth credential's endpoints may be given among its fields. They are no secret: it is in the placement that they are kept. */
export function withEndpoints<Given extends Wanted & { fields?: Secret | undefined }>(given: Given): Given {
  const { authorize_url, token_url, scopes, ...fields } = given.fields ?? {};
  const said = Object.entries({ authorize_url, token_url, scopes }).filter(([, value]) => value !== undefined);
  const placement = given.placement ?? providerOf(given.provider)?.placement ?? { in: "oauth", token_url: "" };
  if (said.length === 0 || placement.in !== "oauth") return given;
  // A token is given back to whoever issued it, and to nobody else.
  const revoke_url = [undefined, placement.token_url].includes(token_url) ? placement.revoke_url : undefined;
  const whole = { ...placement, ...Object.fromEntries(said), revoke_url };
  return { ...given, placement: parse(Placement, whole), fields };
}

/** An upstream's address in parts. Host, scheme and base path of every call come from here. */
function readBaseUrl(text: string, config: Config): { origin: string; base_path: string } {
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
  if (isOurs(config, url)) throw invalid("base_url", "must not be one of our own hosts");
  if (url.pathname.includes("//")) throw invalid("base_url", "must not have an empty path segment");
  return { origin: url.origin, base_path: url.pathname.replace(/\/$/, "") };
}

/** A client secret goes to these: they must be as public as an upstream. */
function assertEndpoints({ authorize_url, token_url, revoke_url }: OAuthPlacement, config: Config): void {
  for (const [field, url] of Object.entries({ authorize_url, token_url, revoke_url })) {
    if (url === undefined) continue;
    try {
      readBaseUrl(url.replace(/\?.*$/s, ""), config);
    } catch (refused) {
      if (!(refused instanceof Problem)) throw refused;
      throw invalid(`placement.${field}`, refused.extras.errors?.[0]?.rule ?? "must be a public https URL");
    }
  }
}

/** Refuses fields that a placement has no use for. */
export function assertUsed(secret: Secret, placement: Destination["placement"]): void {
  const known = new Set([...secretFieldsOf(placement), ...optionalFieldsOf(placement)]);
  for (const field of Object.keys(secret))
    if (!known.has(field)) throw invalid(fieldName(field), "is not used by this placement");
}

function assertFields(secret: Secret, placement: Destination["placement"]): void {
  const given = Object.keys(secret);
  const single = placement.in === "basic" && given.includes("secret");
  const wanted = single ? ["secret"] : secretFieldsOf(placement);
  for (const field of wanted)
    if (!given.includes(field)) throw invalid(fieldName(field), "is needed by this placement");
  const optional = optionalFieldsOf(placement);
  for (const field of given)
    if (![...wanted, ...optional].includes(field)) throw invalid(fieldName(field), "is not used by this placement");
}

function fieldName(field: string): string {
  return field === "secret" ? "secret" : `fields.${field}`;
}

function invalid(field: string, rule: string): Problem {
  return new Problem("invalid_request", `${field}: ${rule}.`, { errors: [{ field, rule }] });
}
