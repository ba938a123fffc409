import { expect, test } from "vitest";
import { newHolder, SECRET, type Holder, type Sent } from "../support/holder.ts";
import { usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

async function seenAfter({ call, upstream }: Holder, path = "/v1", sent: Sent = {}) {
  expect((await call(path, sent)).status).toBe(200);
  const seen = upstream.seen.at(-1);
  if (seen === undefined) throw new Error("nothing reached the upstream");
  return seen;
}

/** How often a header came over the wire, in whatever case. */
const count = (raw: readonly string[], name: string) =>
  raw.filter((item, at) => at % 2 === 0 && item.toLowerCase() === name).length;
const basic = (pair: string) => `Basic ${Buffer.from(pair).toString("base64")}`;

test("bearer: the credential goes out as the only Authorization", async () => {
  const holder = await newHolder(locker);
  const { headers, raw_headers } = await seenAfter(holder, "/v1", {
    headers: { authorization: "Bearer of-the-caller", "x-api-key": holder.token },
  });
  expect(headers.authorization).toBe(`Bearer ${SECRET}`);
  expect(count(raw_headers, "authorization")).toBe(1);
});

test("basic: user name and password go out as a pair", async () => {
  const fields = { username: "ada", password: SECRET };
  const holder = await newHolder(locker, { key: { secret: undefined, fields, placement: { in: "basic" } } });
  expect((await seenAfter(holder)).headers.authorization).toBe(basic(`ada:${SECRET}`));
});

test("basic: a single secret goes out as the user, as Stripe and many others want it", async () => {
  const holder = await newHolder(locker, { key: { placement: { in: "basic" } } });
  expect((await seenAfter(holder)).headers.authorization).toBe(basic(`${SECRET}:`));
});

test("header: the credential goes out in its header, with its prefix, over any copy of the caller's", async () => {
  const placement = { in: "header", name: "X-Auth-Token", prefix: "Key " };
  const holder = await newHolder(locker, { key: { placement } });
  for (const name of ["x-auth-token", "X-AUTH-TOKEN"]) {
    const { headers, raw_headers } = await seenAfter(holder, "/v1", {
      headers: { [name]: ["of the caller", "twice"] },
    });
    expect(headers["x-auth-token"]).toBe(`Key ${SECRET}`);
    expect(count(raw_headers, "x-auth-token")).toBe(1);
    expect(headers.authorization).toBeUndefined();
  }
});

test("headers: several fields go out in several headers", async () => {
  const placement = {
    in: "headers",
    headers: { "dd-api-key": "{api_key}", "dd-application-key": "app {application_key}" },
  };
  const fields = { api_key: SECRET, application_key: "second-secret-0099" };
  const holder = await newHolder(locker, { key: { secret: undefined, fields, placement } });
  const { headers } = await seenAfter(holder, "/v1", { headers: { "dd-api-key": "of the caller" } });
  expect(headers).toMatchObject({ "dd-api-key": SECRET, "dd-application-key": "app second-secret-0099" });
});

test("query: the credential goes out as the only parameter of its name, encoded, after the caller's own", async () => {
  const holder = await newHolder(locker, { key: { placement: { in: "query", name: "api_key" } } });
  const { url } = await seenAfter(holder, "/v1?a=1&b=%2F");
  expect(url).toBe(`/v1?a=1&b=%2F&api_key=${encodeURIComponent(SECRET)}`);
  expect((await seenAfter(holder, "/v1")).url).toBe(`/v1?api_key=${encodeURIComponent(SECRET)}`);
});

test("query: the caller's copies are taken out however they are spelled, and nothing else is", async () => {
  const holder = await newHolder(locker, { key: { placement: { in: "query", name: "api_key" } } });
  const copies = [
    "api_key=x",
    "API_KEY=x",
    "api%5Fkey=x",
    "%61pi_key=x",
    "api_key[]=x",
    "api_key%5B0%5D=x",
    "Api_Key[a][b]=x",
    "api_key",
  ];
  for (const copy of copies) {
    const { url } = await seenAfter(holder, `/v1?a=1&${copy}&xapi_key=2&api_keys=3`);
    expect([copy, url]).toEqual([copy, `/v1?a=1&xapi_key=2&api_keys=3&api_key=${encodeURIComponent(SECRET)}`]);
  }
});

test("a provider's fixed headers are sent only where the caller sends none", async () => {
  const holder = await newHolder(locker, { key: { headers: { "X-Api-Version": "2026-01-01" } } });
  expect((await seenAfter(holder)).headers["x-api-version"]).toBe("2026-01-01");
  const own = await seenAfter(holder, "/v1", { headers: { "X-API-VERSION": "2020-02-02" } });
  expect(own.headers["x-api-version"]).toBe("2020-02-02");
});

test("a credential of a provider's own header displaces the token that came in that very header", async () => {
  const holder = await newHolder(locker, { key: { placement: { in: "header", name: "x-api-key" } } });
  const { headers } = await seenAfter(holder, "/v1", { headers: { authorization: "", "x-api-key": holder.token } });
  expect(headers["x-api-key"]).toBe(SECRET);
});

test("the row of a call names method, host and path, and neither query, credential nor token", async () => {
  const holder = await newHolder(locker, { key: { placement: { in: "query", name: "api_key" } } });
  await seenAfter(holder, "/v1/pay?amount=77&to=eve", { method: "POST", body: "secret body" });
  const row = await holder.row("/v1/pay");
  expect(row).toMatchObject({
    action: "proxy.call",
    outcome: "ok",
    status: 200,
    method: "POST",
    path: "/v1/pay",
    host: new URL(holder.upstream.origin).host,
    key: holder.key.id,
    actor: { kind: "app", id: holder.token_id },
  });
  for (const text of [SECRET, encodeURIComponent(SECRET), holder.token, "amount", "secret body"]) {
    expect(JSON.stringify(row)).not.toContain(text);
  }
});
