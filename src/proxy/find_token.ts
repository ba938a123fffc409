import { Problem } from "../problem.ts";
import { TOKEN_LIKE } from "../crypto/token.ts";
import type { HeaderLines } from "./headers.ts";
import { decodeForm, withoutParameters } from "./query.ts";
import { Scrubber } from "./scrub.ts";
import { spellings } from "./spellings.ts";

/** A call's headers and query without our token, and the token. `query` is raw, without the question mark. */
export type Found = { token: string; headers: HeaderLines; query: string };

/** How every token begins, in every spelling that is looked for: most requests are cleared by this one glance. */
const MARKER = new RegExp(
  spellings("alk_")
    .map((spelling) => RegExp.escape(spelling))
    .join("|"),
  "i",
);
const DECODED_AT_MOST = 5;

/** As nearly everybody sends it: by itself, as OAuth says (RFC 6750 §2.1). */
const BEARER = /^[Bb]earer +(alk_[a-z]{2,3}_[0-9A-Za-z]{64,160})$/;

/** The token of whoever sends it so, found without a look at anything else. There may be more, which {@link takeToken} finds. */
export function bearerOf(headers: Headers): string | undefined {
  return BEARER.exec(headers.get("authorization") ?? "")?.[1];
}

/**
 * Finds the token wherever an SDK puts its key, and takes it out: `Authorization` (Bearer, token, Basic user or password),
 * any header whose value holds it, an offered WebSocket subprotocol, or a query parameter. Exactly one token, else 401;
 * in a query only an app token, since a URL is no place for anything that lives longer (SECURITY S26).
 */
export function takeToken(given: HeaderLines, rawQuery: string): Found {
  const headers: [string, string][] = [];
  const found = new Set<string>();
  for (const [name, value] of given) {
    // Cookies are not read here, and never go upstream (SECURITY S1).
    if (name === "cookie") continue;
    const tokens = name === "authorization" ? inAuthorization(value) : tokensIn(value);
    for (const token of tokens) found.add(token);
    if (tokens.length === 0) headers.push([name, value]);
    else if (name === "sec-websocket-protocol" && withoutProtocols(value) !== "")
      headers.push([name, withoutProtocols(value)]);
  }
  const query = withoutParameters(rawQuery, (name, value) => {
    const tokens = tokensIn(`${name}=${value}`);
    if (tokens.some((token) => !token.startsWith("alk_app_")))
      throw new Problem("invalid_token", "Only an app token may travel in a query.");
    for (const token of tokens) found.add(token);
    return tokens.length > 0;
  });
  const [token, second] = found;
  if (token === undefined) {
    const anonymous = headers.some(([name]) => name === "authorization") ? undefined : true;
    throw new Problem("invalid_token", "Send an app token where the provider's key would go.", { anonymous });
  }
  if (second !== undefined) throw new Problem("invalid_token", "The request carries more than one token.");
  return { token, headers, query };
}

/**
 * A second copy in a spelling that no SDK uses (encoded twice, base64 in a header of its own) must not slip upstream. Looking for
 * it is dear: nobody does for a token that is none of ours.
 */
export function assertGone({ token, headers, query }: Found): void {
  const text = headers.map(([name, value]) => `${name}: ${value}`).join("\n") + `\n?${query}`;
  for (const reading of readings(text)) {
    if (MARKER.test(reading) && new Scrubber([token]).text(reading) !== reading)
      throw new Problem("invalid_token", "The request carries its token a second time, in another spelling.");
  }
}

/** The text as it is, and as one, two, … servers that each decode it would read it. */
function* readings(text: string): Generator<string> {
  let reading = text;
  for (let depth = 0; depth <= DECODED_AT_MOST; depth++) {
    yield reading;
    if (!reading.includes("%")) return;
    const decoded = decodeForm(reading);
    if (decoded === reading) return;
    reading = decoded;
  }
}

function inAuthorization(value: string): string[] {
  const [, basic] = /^basic +(\S+)$/i.exec(value) ?? [];
  return tokensIn(basic === undefined ? value : Buffer.from(basic, "base64").toString("latin1"));
}

function tokensIn(text: string): string[] {
  if (!text.includes("alk_")) return [];
  return text.match(TOKEN_LIKE) ?? [];
}

/** Browsers' and SDKs' way to send a key with a WebSocket: one of the offered subprotocols holds it. */
function withoutProtocols(value: string): string {
  return value
    .split(",")
    .map((protocol) => protocol.trim())
    .filter((protocol) => tokensIn(protocol).length === 0)
    .join(", ");
}
