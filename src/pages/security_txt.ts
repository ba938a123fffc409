import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";

const DAY_MS = 86_400_000;
/** Whoever still serves it stands by it; that is asked again each day. */
const HOLDS_MS = 90 * DAY_MS;

/** Whom to tell of a hole in this deployment (RFC 9116). Where its operator has named nobody there is no such file. */
export function securityTxt({ security: { contacts, policy }, public_origin }: Config, now: number): Response {
  if (contacts.length === 0) throw new Problem("not_found", "Nothing is served at this path.");
  const expires = new Date(Math.floor(now / DAY_MS) * DAY_MS + HOLDS_MS).toISOString();
  const lines = [
    ...contacts.map((contact) => `Contact: ${contact}`),
    `Expires: ${expires}`,
    `Canonical: ${public_origin}/.well-known/security.txt`,
    ...(policy === undefined ? [] : [`Policy: ${policy}`]),
  ];
  return new Response(`${lines.join("\n")}\n`, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "public, max-age=86400",
      "x-content-type-options": "nosniff",
    },
  });
}
