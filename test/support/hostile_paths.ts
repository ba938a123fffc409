import fc from "fast-check";
import type { Destination } from "../../src/vault/keys/key.ts";

/** The origin that keys of these tests are for. */
export const ORIGIN = "https://api.stripe.com";

/** A key's destination with that base path. */
export const fence = (base_path: string): Destination => ({
  provider: "custom",
  origin: ORIGIN,
  base_path,
  placement: { in: "bearer" },
  headers: {},
});

/** Pieces from which every known way out of a fence is made, and ordinary ones. */
const PIECES = [
  ..."/ // \\ . .. ... %2e %2E %2f %2F %5c %00 %252e %252f %25 % %2 %zz %c0%ae %e3%80%82 %ef%bc%8f".split(" "),
  ..."@ : :443@ ; ? # & = evil.example https: http:// [::1] localhost v1 v1beta admin a b%20c".split(" "),
  ..."é 。 ．． ／ ~ + * ' \" < | { ^ `".split(" "),
  ..."\t\n\r \0",
];
const pieces = fc.constantFrom(...PIECES);
const joined = (maxLength: number) => fc.array(pieces, { maxLength }).map((all) => all.join(""));

const text = (unit: string, maxLength: number) => fc.string({ unit: fc.constantFrom(...unit), maxLength });
const label = text("abcxyz019-", 8);
const piece = fc.oneof(text("abcXYZ019-._~!$&'()*+,;=:@/", 12), fc.constantFrom("", "%20", "%C3%A9", "..", "a/b"));

/** Whole addresses, most of which a parser takes. fast-check's own take two seconds to make. */
export const addresses = fc
  .record({
    scheme: fc.constantFrom("https://", "https://", "http://", "HTTPS://", "//", "ftp://", "javascript:"),
    user: fc.constantFrom("", "", "", "a@", "a:b@", "@"),
    host: fc.oneof(
      fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join(".")),
      fc.constantFrom("localhost", "127.0.0.1", "[::1]", "0x7f.1", "api.stripe.com", "", "EXAMPLE.com."),
    ),
    port: fc.oneof(
      fc.constant(""),
      fc.nat(70_000).map((port) => `:${port}`),
    ),
    path: fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.map((one) => `/${one}`).join("")),
    query: fc.oneof(
      fc.constant(""),
      piece.map((one) => `?${one}`),
    ),
    fragment: fc.oneof(
      fc.constant(""),
      piece.map((one) => `#${one}`),
    ),
  })
  .map((parts) => Object.values(parts).join(""));

/** Paths of every sort, hostile ones above all. */
export const hostilePaths = fc.oneof(
  { weight: 6, arbitrary: joined(10).map((path) => `/${path}`) },
  { weight: 2, arbitrary: joined(8) },
  { weight: 1, arbitrary: fc.string({ maxLength: 30 }) },
  { weight: 1, arbitrary: addresses },
);

export const hostileQueries = fc.oneof(joined(6), fc.string({ maxLength: 20 }));
export const basePaths = fc.constantFrom("", "/v1", "/v1/projects/a", "/openai/v1");
