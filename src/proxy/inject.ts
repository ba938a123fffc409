import { Problem } from "../problem.ts";
import type { Placement } from "../catalog/provider.ts";
import type { Destination } from "../vault/keys/key.ts";
import type { Secret } from "../vault/keys/sealer.ts";
import { SHORTEST } from "./scrub.ts";
import { withoutParameters } from "./query.ts";

/**
 * Puts the credential where the provider wants it, over anything that the caller put there; fixed headers only where the
 * caller sent none. Pure but for what it is given. Answers the texts that must never come back: the credential as it is
 * stored and as it was sent.
 */
export function inject(
  headers: Headers,
  url: URL,
  { placement, headers: fixed }: Destination,
  secret: Secret,
): string[] {
  for (const [name, value] of Object.entries(fixed)) if (!headers.has(name)) headers.set(name, value);
  const sent = place(headers, url, placement, secret);
  return [...new Set([...secretTexts(secret), ...sent])];
}

function place(headers: Headers, url: URL, placement: Placement, secret: Secret): string[] {
  switch (placement.in) {
    case "bearer":
      headers.set("authorization", `Bearer ${secret.secret ?? ""}`);
      return [];
    case "basic": {
      const pair = Buffer.from(`${secret.username ?? secret.secret ?? ""}:${secret.password ?? ""}`).toString("base64");
      headers.set("authorization", `Basic ${pair}`);
      return [pair];
    }
    case "header":
      headers.set(placement.name, (placement.prefix ?? "") + (secret.secret ?? ""));
      return [];
    case "headers": {
      const values = Object.entries(placement.headers).map(
        ([name, template]) => [name, fill(template, secret)] as const,
      );
      for (const [name, value] of values) headers.set(name, value);
      return [];
    }
    case "sigv4":
      // Signed once all else stands (sign.ts). What the caller signed with its token goes.
      for (const name of ["x-amz-date", "x-amz-security-token"]) headers.delete(name);
      headers.delete("authorization");
      url.search = withoutParameters(url.search.slice(1), (name) => SIGNATURE_PARAMETER.test(name));
      return [];
    case "oauth":
      // The vault lets no call through with a credential that has no access token.
      throw new Problem("reconnect_required", "This credential is not connected.");
    case "query": {
      // The caller's copies go first, in any case and as an array: some servers take the first, some the last.
      const name = placement.name.toLowerCase();
      const kept = withoutParameters(url.search.slice(1), (given) => given.toLowerCase().replace(/\[.*$/, "") === name);
      const added = `${encodeURIComponent(placement.name)}=${encodeURIComponent(secret.secret ?? "")}`;
      url.search = kept === "" ? added : `${kept}&${added}`;
      return [];
    }
  }
}

/** What a presigned address carries. */
const SIGNATURE_PARAMETER = /^x-amz-(algorithm|credential|date|expires|security-token|signature|signedheaders)$/i;

function fill(template: string, secret: Secret): string {
  return template.replace(/\{([a-z_]+)\}/g, (whole, field: string) => secret[field] ?? whole);
}

/** Fields that are secret in themselves. A user name is not, unless the password is too short to be the secret. */
function secretTexts({ username, ...fields }: Secret): string[] {
  const secrets = Object.values(fields).filter((text) => text !== "");
  return username === undefined || secrets.some(({ length }) => length >= SHORTEST) ? secrets : [...secrets, username];
}
