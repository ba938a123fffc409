import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientHeaders, overridesMethod, upstreamHeaders } from "../../src/proxy/headers.ts";

/** The filters, whatever headers come: names in any case, with `_` for `-`, nominated by `Connection`, twice. */
const NEVER_UPSTREAM =
  /^(connection|keep-alive|proxy-(authenticate|authorization|connection)|te|trailer|transfer-encoding|upgrade|host|cookie|expect|forwarded|x-real-ip|x-client-ip|true-client-ip|content-length|origin|referer|x-original-url|x-rewrite-url|cf-.*|x-forwarded.*|x-partykit-.*|sec-fetch-.*|sec-websocket-.*|x-leash-.*)$/;
const NEVER_TO_CLIENT =
  /^(connection|keep-alive|transfer-encoding|upgrade|trailer|te|set-cookie2?|set-login|alt-svc|clear-site-data|service-worker-allowed|refresh|link|strict-transport-security|report-to|nel|reporting-endpoints|origin-agent-cluster|speculation-rules|accept-ch(-lifetime)?|critical-ch|use-as-dictionary|no-vary-search|supports-loading-mode|origin-trial|timing-allow-origin|activate-storage-access|observe-browsing-topics|x-dns-prefetch-control|public-key-pins(-report-only)?|expect-ct|(x-)?sourcemap|(cross-origin-(opener|embedder)|permissions|feature|(require-)?document|document-isolation|integrity|referrer)-policy(-report-only)?|location|content-location|access-control-.*|apilocker-.*|sec-.*|secure-session-.*|attribution-reporting-.*|ad-auction-.*|shared-storage-.*)$/;

const OURS =
  /^(content-security-policy|x-content-type-options|cross-origin-resource-policy|cloudflare-cdn-cache-control|content-disposition)$/;

const known = fc.constantFrom(
  ...(
    "connection keep-alive proxy-authorization te trailer transfer-encoding upgrade host cookie expect forwarded x-real-ip true-client-ip " +
    "content-length origin referer x-original-url x-rewrite-url cf-connecting-ip cf-ray x-forwarded-for x-forwarded-host x-partykit-room " +
    "sec-fetch-mode sec-websocket-key x-leash-tags set-cookie alt-svc clear-site-data refresh link location access-control-allow-origin " +
    "apilocker-request-id sourcemap nel report-to accept-ch service-worker-allowed content-security-policy " +
    "set-login permissions-policy use-as-dictionary secure-session-registration attribution-reporting-register-source"
  ).split(" "),
);
const plain = fc.stringMatching(/^x-[a-z][a-z0-9-]{0,12}$/);
const spelt = fc.tuple(fc.oneof(known, plain), fc.boolean(), fc.boolean()).map(([name, upper, underscored]) => {
  const one = underscored ? name.replaceAll("-", "_") : name;
  return upper ? one.toUpperCase() : one;
});
const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
const given = fc.array(fc.tuple(spelt, value), { maxLength: 12 });
const nominating = fc.array(fc.oneof(known, plain), { maxLength: 3 });
const dashed = (name: string) => name.toLowerCase().replaceAll("_", "-");

function headersOf(pairs: [string, string][], nominated: string[]): Headers {
  const headers = new Headers(pairs);
  if (nominated.length > 0) headers.set("connection", nominated.join(", "));
  return headers;
}

describe("whatever headers come", () => {
  test("nothing of ours, of the network's or of one hop reaches the upstream, and all else does, unchanged", () => {
    fc.assert(
      fc.property(given, nominating, (pairs, nominated) => {
        const headers = headersOf(pairs, nominated);
        const sent = upstreamHeaders([...headers]);
        const names = [...sent.keys()].filter((name) => name !== "accept-encoding");
        expect(names.filter((name) => NEVER_UPSTREAM.test(dashed(name)) || nominated.includes(name))).toEqual([]);
        const kept = [...headers].filter(
          ([name]) => !NEVER_UPSTREAM.test(dashed(name)) && !nominated.includes(name) && name !== "accept-encoding",
        );
        // Asked by name: of two `set-cookie` lines the runtime keeps each.
        expect(kept.map(([name]) => sent.get(name))).toEqual(kept.map(([name]) => headers.get(name)));
        expect(sent.get("accept-encoding")).toMatch(/^(gzip|br|gzip, br|identity)$/);
      }),
    );
  });

  test("the client is given nothing that a browser would act upon, and is always guarded", () => {
    fc.assert(
      fc.property(given, nominating, fc.option(value), (pairs, nominated, type) => {
        const headers = headersOf(pairs, nominated);
        if (type !== null) headers.set("content-type", type);
        const told = clientHeaders(headers, (text) => text.replaceAll("e", "*"));
        expect([...told.keys()].filter((name) => NEVER_TO_CLIENT.test(name))).toEqual([]);
        expect(told.get("content-security-policy")).toBe("sandbox; default-src 'none'; frame-ancestors 'none'");
        expect(told.get("x-content-type-options")).toBe("nosniff");
        if (type === null || !type.includes("/") || /^text\/html/i.test(type))
          expect(told.get("content-disposition")).toBe("attachment");
        // What guards is ours; whatever else is told went through the scrubber.
        const rest = [...told].filter(([name]) => !OURS.test(name)).map(([, text]) => text);
        expect(rest.join("")).not.toContain("e");
      }),
    );
  });

  test("an answer is a download where its type is none, or one that a browser would run", () => {
    const isDownload = (type: string) =>
      clientHeaders(new Headers({ "content-type": type }), (text) => text).get("content-disposition") === "attachment";
    for (const type of ["", "/", "text/", "/html", "text /plain", ";a/b", "text/plain, text/html", "image/svg+xml;a=b"])
      expect([type, isDownload(type)]).toEqual([type, true]);
    for (const type of ["text/plain", "application/json; charset=utf-8", "application/vnd.a+json ;x", "x, text/plain"])
      expect([type, isDownload(type)]).toEqual([type, false]);
  });

  test("a method that a header or parameter would put in the place of the call's own is seen in every spelling", () => {
    const headerName = fc.constantFrom(
      "x-http-method",
      "x-http-method-override",
      "x-method-override",
      "X_HTTP_Method_Override",
    );
    fc.assert(
      fc.property(headerName, value, (name, text) => {
        expect(overridesMethod([[name.toLowerCase(), text]], "")).toBe(true);
      }),
    );
    const parameter = fc.constantFrom(
      "_method",
      "%5fmethod",
      "_method[]",
      "_METHOD",
      ".method",
      "+method",
      "_method%5B0%5D",
    );
    const others = fc.stringMatching(/^([a-z]{1,4}=[a-z]{0,3}&)?$/);
    fc.assert(
      fc.property(others, parameter, (before, name) => {
        expect([name, overridesMethod([], `${before}${name}=DELETE`)]).toEqual([name, name !== "+method"]);
      }),
    );
    expect(overridesMethod([["x-method", "a"]], "method=DELETE&my_method=x")).toBe(false);
  });
});
