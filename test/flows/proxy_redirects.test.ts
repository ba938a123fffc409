import { describe, expect, test } from "vitest";
import { newHolder, problemIn, SECRET, send, type Holder } from "../support/holder.ts";
import { usualLocker } from "../support/locker.ts";
import { startUpstream } from "../support/upstream.ts";

const locker = await usualLocker();

/** Lets the upstream point somewhere and tells what the client is told. */
async function toldOf({ call, upstream }: Holder, location: string, { status = 302, header = "location" } = {}) {
  upstream.answerWith((_request, response) => void response.writeHead(status, { [header]: location }).end());
  const answer = await call("/a/b?c=1");
  return { ...answer, told: answer.headers[header] };
}

describe("with a base path", () => {
  const INSIDE = [
    ["/v1/x?y=1#z", "/x?y=1#z"],
    ["x", "/a/x"],
    ["../x", "/x"],
    ["?page=2", "/a/b?page=2"],
    ["/v1", ""],
    ["/v1/", "/"],
    ["./%2e/x", "/a/x"],
  ] as const;

  test("a redirect inside the key's own fence leads through the proxy again", async () => {
    const holder = await newHolder(locker, { base_path: "/v1" });
    for (const [location, below] of INSIDE) {
      expect([location, (await toldOf(holder, location)).told]).toEqual([location, holder.base + below]);
    }
    const { host, origin } = new URL(holder.upstream.origin);
    for (const location of [
      `${origin}/v1/x`,
      `//${host}/v1/x`,
      `http://user:pass@${host}/v1/x`,
      `${origin}/v1/y/../x`,
    ]) {
      expect([location, (await toldOf(holder, location)).told]).toEqual([location, `${holder.base}/x`]);
    }
  });

  test("one that leaves the fence is told absolute, so that no client takes it for a path of ours", async () => {
    const holder = await newHolder(locker, { base_path: "/v1" });
    const { origin } = holder.upstream;
    const outside = [
      ["/v2/x", `${origin}/v2/x`],
      ["/v10", `${origin}/v10`],
      ["/v1/../admin", `${origin}/admin`],
      ["/v1/%2e%2e/admin", `${origin}/admin`],
      ["https://evil.example/v1/x", "https://evil.example/v1/x"],
      ["//evil.example/v1/x", "http://evil.example/v1/x"],
      ["/\\evil.example/v1", "http://evil.example/v1"],
      [`${origin.replace("http:", "https:")}/v1/x`, `${origin.replace("http:", "https:")}/v1/x`],
      [`http://127.0.0.1:1/v1/x`, "http://127.0.0.1:1/v1/x"],
      [`http://127.0.0.1@evil.example/v1/x`, "http://127.0.0.1@evil.example/v1/x"],
    ] as const;
    for (const [location, told] of outside)
      expect([location, (await toldOf(holder, location)).told]).toEqual([location, told]);
  });

  test.each([201, 301, 303, 307, 308])(
    "status %i is treated alike, and content-location as location",
    async (status) => {
      const holder = await newHolder(locker, { base_path: "/v1" });
      expect((await toldOf(holder, "/v1/x", { status })).told).toBe(`${holder.base}/x`);
      expect((await toldOf(holder, "/v1/x", { status, header: "content-location" })).told).toBe(`${holder.base}/x`);
    },
  );
});

test("a redirect that names one of our own hosts, or that cannot be read, is refused", async () => {
  const holder = await newHolder(locker);
  const ours = [locker.proxyOrigin, locker.publicOrigin];
  const dotted = ours.map((origin) => origin.replace("localhost", "localhost."));
  for (const location of [
    ...ours,
    ...dotted,
    ...ours.map((origin) => `${origin.replace("http:", "")}/v1/proxy/api/x`),
    "http://[",
    "http://a b/",
  ]) {
    const refused = await toldOf(holder, location);
    expect([location, refused.status, refused.told]).toEqual([location, 502, undefined]);
    expect(problemIn(refused).code).toBe("upstream_refused");
  }
  expect(await holder.row("/a/b")).toMatchObject({ outcome: "failed", rule: "upstream_refused", status: 302 });
});

test("in direct mode a redirect keeps the same path on the proxy", async () => {
  const { upstream, token } = await newHolder(locker);
  upstream.answerWith((_request, response) => void response.writeHead(302, { location: "/x?y=1" }).end());
  const { headers } = await send(`${locker.proxyOrigin}/a`, { headers: { authorization: `Bearer ${token}` } });
  expect(headers.location).toBe(`${locker.proxyOrigin}/x?y=1`);
});

test("a redirect is never followed for the client, so the credential stays with its host", async () => {
  const holder = await newHolder(locker);
  const elsewhere = await startUpstream();
  for (const status of [301, 302, 303, 307, 308]) {
    for (const location of [`${elsewhere.origin}/steal`, "/next"]) await toldOf(holder, location, { status });
  }
  expect(elsewhere.seen).toHaveLength(0);
  expect(holder.upstream.seen.map(({ url }) => url)).toEqual(Array(10).fill("/a/b?c=1"));
  await elsewhere.stop();
});

test("a client that follows redirects, token and all, ends at the upstream by way of the proxy", async () => {
  const { base, token, upstream } = await newHolder(locker, { base_path: "/v1" });
  upstream.answerWith((_request, response, { url }) => {
    if (url.endsWith("/first")) response.writeHead(307, { location: "/v1/second" }).end();
    else response.end("arrived");
  });
  const answer = await fetch(`${base}/first`, { headers: { authorization: `Bearer ${token}` } });
  expect(await answer.text()).toBe("arrived");
  expect(upstream.seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([
    ["/v1/first", `Bearer ${SECRET}`],
    ["/v1/second", `Bearer ${SECRET}`],
  ]);
});

test("a redirect whose query echoes the credential is scrubbed", async () => {
  const holder = await newHolder(locker, { key: { placement: { in: "query", name: "key" } } });
  holder.upstream.answerWith(
    (_request, response, { url }) => void response.writeHead(302, { location: `/x${url}` }).end(),
  );
  const { headers } = await holder.call("/a?b=1");
  expect(headers.location).toBe(`${holder.base}/x/a?b=1&key=[redacted]`);
});
