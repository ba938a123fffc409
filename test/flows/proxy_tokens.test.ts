import { expect, test } from "vitest";
import { newHolder, problemIn, SECRET, send, type Holder, type Sent } from "../support/holder.ts";
import { mintToken, usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

const base64 = (text: string) => Buffer.from(text).toString("base64");
const escaped = (text: string) => [...Buffer.from(text)].map((byte) => `\\u00${byte.toString(16)}`).join("");
const percent = (text: string) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16)}`).join("");

/** The places where SDKs put their key; each gets the app token instead. */
const PLACES: [string, (token: string) => { path?: string; headers?: Record<string, string> }][] = [
  ["Authorization: Bearer", (token) => ({ headers: { authorization: `Bearer ${token}` } })],
  ["authorization: bearer, in any case", (token) => ({ headers: { Authorization: `bEaReR ${token}` } })],
  ["Authorization: token, as octokit has it", (token) => ({ headers: { authorization: `token ${token}` } })],
  ["Authorization with no scheme", (token) => ({ headers: { authorization: token } })],
  ["Authorization with a parameter", (token) => ({ headers: { authorization: `Token token="${token}"` } })],
  ["the user of a Basic pair", (token) => ({ headers: { authorization: `Basic ${base64(`${token}:`)}` } })],
  ["the password of a Basic pair", (token) => ({ headers: { authorization: `Basic ${base64(`api:${token}`)}` } })],
  ["both halves of a Basic pair", (token) => ({ headers: { authorization: `Basic ${base64(`${token}:${token}`)}` } })],
  ["x-api-key", (token) => ({ headers: { "x-api-key": token } })],
  ["x-goog-api-key", (token) => ({ headers: { "x-goog-api-key": token } })],
  ["a header of the provider's own", (token) => ({ headers: { "x-shopify-access-token": token } })],
  ["a query parameter", (token) => ({ path: `/v1?a=1&key=${token}&b=2` })],
  ["a percent-encoded query parameter", (token) => ({ path: `/v1?a=1&key=${percent(token)}&b=2` })],
  ["two places at once, as some SDKs do", (token) => ({ path: `/v1?key=${token}`, headers: { "api-key": token } })],
];

async function tryWith({ base }: Holder, { path = "/v1", ...sent }: Sent & { path?: string }) {
  return send(base + path, sent);
}

test.each(PLACES)("the token is found in %s, and never goes upstream", async (_place, place) => {
  const holder = await newHolder(locker);
  expect((await tryWith(holder, place(holder.token))).status).toBe(200);
  const [seen] = holder.upstream.seen;
  expect(seen?.headers.authorization).toBe(`Bearer ${SECRET}`);
  expect(JSON.stringify(seen?.raw_headers) + decodeURIComponent(seen?.url ?? "")).not.toMatch(/alk_/);
  expect(seen?.headers["x-api-key"] ?? seen?.headers["x-goog-api-key"] ?? seen?.headers["api-key"]).toBeUndefined();
  expect(new URLSearchParams(seen?.url.split("?")[1]).has("key")).toBe(false);
});

test("what stands around the token in a query stays to the letter", async () => {
  const holder = await newHolder(locker);
  await tryWith(holder, { path: `/v1?a=%2F+x&key=${holder.token}&b&a=2&c=%E4%BD%A0` });
  expect(holder.upstream.seen[0]?.url).toBe("/v1?a=%2F+x&b&a=2&c=%E4%BD%A0");
});

/** Requests that carry no token at all, or carry it where none is looked for. */
const WITHOUT: [string, (token: string) => Sent & { path?: string }, challenge: string][] = [
  // Whoever shows nothing made no error (RFC 6750 §3.1).
  ["none", () => ({}), 'realm="API Locker"'],
  ["one in a cookie", (token) => ({ headers: { cookie: `apilocker=${token}` } }), 'realm="API Locker"'],
  ["one in the body", (token) => ({ method: "POST", body: JSON.stringify({ token }) }), 'realm="API Locker"'],
  ["one in the path", (token) => ({ path: `/v1/${token}` }), 'realm="API Locker"'],
  ["a provider's", () => ({ headers: { authorization: "Bearer sk-test-0123" } }), 'error="invalid_token"'],
  ["a shortened one", (token) => ({ headers: { "x-api-key": token.slice(0, -1) } }), 'error="invalid_token"'],
  ["a lengthened one", (token) => ({ headers: { "x-api-key": `${token}0` } }), 'error="invalid_token"'],
  ["one in other letters", (token) => ({ headers: { "x-api-key": token.toUpperCase() } }), 'realm="API Locker"'],
];

test.each(WITHOUT)("a request with %s is 401, and nothing is sent", async (_what, sent, challenge) => {
  const holder = await newHolder(locker);
  const refused = await tryWith(holder, sent(holder.token));
  expect(refused.status).toBe(401);
  expect(refused.headers["www-authenticate"]).toBe(`Bearer ${challenge}`);
  expect(problemIn(refused).code).toBe("invalid_token");
  expect(holder.upstream.seen).toHaveLength(0);
});

test("two different tokens in one request are 401, wherever they are: which one counts is not for us to guess", async () => {
  const holder = await newHolder(locker);
  const { token: other } = await mintToken(holder.person);
  const { token } = holder;
  const twice: (Sent & { path?: string })[] = [
    { headers: { authorization: `Bearer ${token}`, "x-api-key": other } },
    { headers: { authorization: `Bearer ${token}, Bearer ${other}` } },
    { headers: { authorization: `Basic ${base64(`${token}:${other}`)}` } },
    { path: `/v1?key=${other}`, headers: { authorization: `Bearer ${token}` } },
    { path: `/v1?a=${token}&b=${other}` },
    { headers: { authorization: [`Bearer ${token}`, `Bearer ${other}`] } },
  ];
  for (const sent of twice) expect((await tryWith(holder, sent)).status).toBe(401);
  expect(holder.upstream.seen).toHaveLength(0);
});

/** Second copies in spellings that no SDK uses; the upstream, or what is behind it, could still read them. */
const SECOND_COPIES: [string, (token: string) => Sent & { path?: string }][] = [
  ["base64 in a header of its own", (token) => ({ headers: { "x-auth": base64(token) } })],
  ["base64 of something around it", (token) => ({ headers: { "x-auth": base64(`{"t":"${token}"}`) } })],
  ["base64url in a query", (token) => ({ path: `/v1?auth=${Buffer.from(` ${token}`).toString("base64url")}` })],
  ["hex", (token) => ({ headers: { "x-auth": Buffer.from(token).toString("hex") } })],
  ["percent-encoding in a header", (token) => ({ headers: { "x-auth": percent(token) } })],
  ["double percent-encoding in a query", (token) => ({ path: `/v1?auth=${percent(percent(token))}` })],
  ["JSON escapes", (token) => ({ headers: { "x-auth": escaped(token) } })],
];

test.each(SECOND_COPIES)("a second copy of the token as %s is not let through", async (_spelling, copy) => {
  const holder = await newHolder(locker);
  const { headers, ...sent } = copy(holder.token);
  const refused = await tryWith(holder, { ...sent, headers: { authorization: `Bearer ${holder.token}`, ...headers } });
  expect(refused.status).toBe(401);
  expect(holder.upstream.seen).toHaveLength(0);
});

test("a token as the name of a query parameter, or beside a broken escape, is taken out too", async () => {
  const holder = await newHolder(locker);
  const { token, upstream } = holder;
  expect((await tryWith(holder, { path: `/v1?x=1&${token}` })).status).toBe(200);
  expect((await tryWith(holder, { path: `/v1?x=1&auth=%zz${percent(token)}` })).status).toBe(200);
  expect(upstream.seen.map(({ url }) => url)).toEqual(["/v1?x=1", "/v1?x=1"]);
});
