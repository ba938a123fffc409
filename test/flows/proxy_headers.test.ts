import { expect, test } from "vitest";
import { newHolder, SECRET, type Answer } from "../support/holder.ts";
import { usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

/** Headers that a caller sends and the upstream must not see (CONTRACT §4). */
const NEVER_UPSTREAM = [
  "cookie",
  "expect",
  "forwarded",
  "x-real-ip",
  "true-client-ip",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-anything",
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "cf-ray",
  "cf-visitor",
  "cf-ipcountry",
  "cf-access-jwt-assertion",
  "x-partykit-props",
  "x-partykit-room",
  "x-leash-seq",
  "x-leash-lease",
  "proxy-authorization",
  "proxy-connection",
  "keep-alive",
  "te",
  "trailer",
  "origin",
  "referer",
  "sec-fetch-site",
  "sec-websocket-protocol",
  // What servers that hand headers on as variables take for the same.
  "x_forwarded_for",
  "cf_connecting_ip",
];

test("what poses as the network, holds our state or ends at this hop never goes upstream", async () => {
  const { call, upstream } = await newHolder(locker);
  const sent = Object.fromEntries(
    NEVER_UPSTREAM.map((name) => [name, name === "expect" ? "100-continue" : "sent-by-caller"]),
  );
  const headers = { ...sent, "transfer-encoding": "chunked" };
  expect((await call("/v1", { method: "POST", body: "x", headers })).status).toBe(200);
  const seen = upstream.seen[0]?.headers ?? {};
  expect(NEVER_UPSTREAM.filter((name) => name in seen)).toEqual([]);
  expect(JSON.stringify(seen)).not.toContain("sent-by-caller");
});

test("the upstream sees the caller's own headers and what it needs, and nothing else", async () => {
  const { call, upstream } = await newHolder(locker);
  const own = {
    accept: "application/json",
    "user-agent": "acme/1.0",
    "x-custom": "a, b",
    "idempotency-key": "1",
    "x-empty": "",
  };
  await call("/v1", {
    method: "POST",
    body: "{}",
    headers: { ...own, "content-length": "2", "content-type": "application/json" },
  });
  expect(upstream.seen[0]?.headers).toEqual({
    ...own,
    host: new URL(upstream.origin).host,
    authorization: `Bearer ${SECRET}`,
    "accept-encoding": "identity",
    "content-length": "2",
    "content-type": "application/json",
    // `cache: no-store` says so to whatever stands between (SECURITY S10).
    "cache-control": "no-cache",
    pragma: "no-cache",
    // Added behind us by the runtime's way out, as in production; names the deployment and nothing of the caller.
    "cf-worker": expect.any(String) as string,
  });
});

test("what the caller says about caching is left as it is", async () => {
  const { call, upstream } = await newHolder(locker);
  await call("/v1", { headers: { "cache-control": "max-age=0", "if-none-match": '"a"' } });
  expect(upstream.seen[0]?.headers).toMatchObject({ "cache-control": "max-age=0", "if-none-match": '"a"' });
});

test("`cf-worker` from the caller is replaced by the deployment's own", async () => {
  const { call, upstream } = await newHolder(locker);
  await call("/v1", { headers: { "cf-worker": "evil.example" } });
  expect(upstream.seen[0]?.headers["cf-worker"]).not.toContain("evil");
});

test("headers that Connection nominates end here, on the way up", async () => {
  const { call, upstream } = await newHolder(locker);
  await call("/v1", {
    headers: { connection: "x-hop, X-Other , close", "x-hop": "1", "x-other": "2", "x-stays": "3" },
  });
  expect(upstream.seen[0]?.headers).toMatchObject({ "x-stays": "3" });
  expect(upstream.seen[0]?.headers).not.toHaveProperty("x-hop");
  expect(upstream.seen[0]?.headers).not.toHaveProperty("x-other");
});

test("a nominated name cannot take the credential away", async () => {
  const { call, upstream } = await newHolder(locker);
  await call("/v1", { headers: { connection: "authorization, host" } });
  expect(upstream.seen[0]?.headers).toMatchObject({
    authorization: `Bearer ${SECRET}`,
    host: new URL(upstream.origin).host,
  });
});

/** Headers that an upstream sends and the client must not see (CONTRACT §4, SECURITY S1). */
const NEVER_TO_CLIENT = [
  "set-cookie",
  "set-cookie2",
  "alt-svc",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  "clear-site-data",
  "service-worker-allowed",
  "refresh",
  "link",
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-expose-headers",
  "strict-transport-security",
  "report-to",
  "nel",
  "reporting-endpoints",
  "origin-agent-cluster",
  "speculation-rules",
  "accept-ch",
  "sourcemap",
  "x-sourcemap",
  "cross-origin-opener-policy",
  "cross-origin-opener-policy-report-only",
  "cross-origin-embedder-policy",
  "cross-origin-embedder-policy-report-only",
  "content-security-policy-report-only",
  "set-login",
  "public-key-pins",
  "expect-ct",
  "timing-allow-origin",
  "origin-trial",
  "supports-loading-mode",
  "no-vary-search",
  "use-as-dictionary",
  "accept-ch-lifetime",
  "critical-ch",
  "activate-storage-access",
  "observe-browsing-topics",
  "x-dns-prefetch-control",
  "sec-session-registration",
  "secure-session-registration",
  "secure-session-challenge",
  "attribution-reporting-register-source",
  "attribution-reporting-register-trigger",
  "ad-auction-signals",
  "shared-storage-write",
  "document-policy",
  "document-policy-report-only",
  "require-document-policy",
  "document-isolation-policy",
  "integrity-policy",
  "permissions-policy",
  "permissions-policy-report-only",
  "feature-policy",
  "referrer-policy",
  "apilocker-request-id-of-another",
];

/** The guarding headers of SECURITY S1(c), S10. */
function expectGuarded({ headers }: Answer) {
  expect(headers).toMatchObject({
    "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cloudflare-cdn-cache-control": "no-store",
  });
}

test.each([200, 404, 500, 302, 304])(
  "what would make a browser act on our origin never reaches the client (status %i)",
  async (status) => {
    const { call, upstream } = await newHolder(locker);
    upstream.answerWith(({ socket }) => {
      const lines = [...NEVER_TO_CLIENT, "set-cookie"].map((name) => `${name}: sent-by-upstream`);
      const own = ["x-own: 1", "x-request-id: req_1", ...(status === 304 ? [] : ["content-length: 0"])];
      socket.end([`HTTP/1.1 ${status} X`, ...lines, ...own, "", ""].join("\r\n"));
    });
    const answer = await call("/v1");
    expect(answer).toMatchObject({ status, headers: { "x-own": "1", "x-request-id": "req_1" } });
    expect(NEVER_TO_CLIENT.filter((name) => name in answer.headers)).toEqual([]);
    expect(JSON.stringify(answer.headers)).not.toContain("sent-by-upstream");
    expectGuarded(answer);
  },
);

test("the guarding headers stand over whatever the upstream says", async () => {
  const { call, upstream } = await newHolder(locker);
  upstream.answerWith((_request, response) => {
    response.setHeader("content-security-policy", ["default-src *", "script-src 'unsafe-inline'"]);
    response.setHeader("cross-origin-resource-policy", "cross-origin");
    response.setHeader("x-content-type-options", "none");
    response.setHeader("cloudflare-cdn-cache-control", "max-age=86400");
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  expectGuarded(await call("/v1"));
});

test("headers that Connection nominates end here, on the way down", async () => {
  const { call, upstream } = await newHolder(locker);
  upstream.answerWith(({ socket }) => {
    socket.end("HTTP/1.1 200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nX-Stays: 2\r\nContent-Length: 2\r\n\r\n{}");
  });
  const { headers } = await call("/v1");
  expect(headers).toMatchObject({ "x-stays": "2" });
  expect(headers).not.toHaveProperty("x-hop");
});

test("trailers are not passed on", async () => {
  const { call, upstream } = await newHolder(locker);
  upstream.answerWith((_request, response) => {
    response.writeHead(200, { trailer: "x-late" }).write("body");
    response.addTrailers({ "x-late": SECRET });
    response.end();
  });
  const answer = await call("/v1");
  expect(answer.text).toBe("body");
  expect(JSON.stringify(answer.headers)).not.toContain("x-late");
});

test("an answer names nothing of ours but the request id", async () => {
  const { call } = await newHolder(locker);
  const { headers } = await call("/v1");
  expect(Object.keys(headers).filter((name) => /apilocker|partykit|leash|lease|vault|cf-/.test(name))).toEqual([
    "apilocker-request-id",
  ]);
});
