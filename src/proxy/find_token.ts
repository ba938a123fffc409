import { Problem } from "../problem.ts";
import { TOKEN_LIKE } from "../crypto/token.ts";

/** A call's headers and query without our token, and the token. `query` is raw, without the question mark. */
export type Found = { token: string; headers: Headers; query: string };

/**
 * Finds the token wherever an SDK puts its key, and takes it out: `Authorization` (Bearer, token, Basic user or password),
 * any header whose value holds it, an offered WebSocket subprotocol, or a query parameter. Exactly one token, else 401;
 * in a query only an app token, since a URL is no place for anything that lives longer (SECURITY S26).
 */
export function takeToken(given: Headers, rawQuery: string): Found {
  const headers = new Headers(given);
  const found = new Set<string>();
  for (const [name, value] of given) {
    if (name === "cookie") continue;
    const tokens = name === "authorization" ? inAuthorization(value) : tokensIn(value);
    if (tokens.length === 0) continue;
    for (const token of tokens) found.add(token);
    const rest = name === "sec-websocket-protocol" ? withoutProtocols(value) : "";
    if (rest === "") headers.delete(name);
    else headers.set(name, rest);
  }
  const query = withoutParameters(rawQuery, (_name, value) => {
    const tokens = tokensIn(value);
    if (tokens.some((token) => !token.startsWith("alk_app_")))
      throw new Problem("invalid_token", "Only an app token may travel in a query.");
    for (const token of tokens) found.add(token);
    return tokens.length > 0;
  });
  const [token, second] = found;
  if (token === undefined) throw new Problem("invalid_token", "Send an app token where the provider's key would go.");
  if (second !== undefined) throw new Problem("invalid_token", "The request carries more than one token.");
  return { token, headers, query };
}

/** Parameters of a raw query that `unwanted` does not name, to the letter as they came. Names and values are decoded for it. */
export function withoutParameters(rawQuery: string, unwanted: (name: string, value: string) => boolean): string {
  const kept = rawQuery.split("&").filter((pair) => {
    const [name = "", ...value] = pair.split("=");
    return pair !== "" && !unwanted(decodeForm(name), decodeForm(value.join("=")));
  });
  return kept.join("&");
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

function decodeForm(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}
