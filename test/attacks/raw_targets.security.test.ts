import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { usualLocker } from "../support/locker.ts";
import { API, newRawCaller, type RawCaller } from "../support/raw_caller.ts";

let locker: LocalLocker;
let caller: RawCaller;
beforeAll(async () => {
  locker = await usualLocker();
  caller = await newRawCaller(locker);
});
afterAll(() => caller.upstream.stop());

describe("a request target", () => {
  test.each(["@evil.example/x", ":443@evil.example/", "?x=/v1", "\\evil.example", ""])(
    "%j that is no path at all is refused by the runtime, and nothing is sent",
    async (target) => {
      const { statuses, urls, records } = await caller.tried(caller.start(target));
      expect(statuses.every((status) => status >= 400)).toBe(true);
      expect([urls, records]).toEqual([[], 0]);
    },
  );

  test.each(["evil.example:443", "javascript:x", "http:x", `http://user@evil.example?${API}/x`])(
    "%j that the runtime takes for the root is the root of the key's own host at most",
    async (target) => {
      const { urls } = await caller.tried(caller.start(target));
      for (const url of urls) expect(url).toMatch(/^GET \/(\?|$)/);
    },
  );

  test.each([
    `${API}/../x`,
    `${API}/..`,
    `${API}/a/%2e%2E/x`,
    `${API}/a\\b`,
    `${API}/\\evil.example/x`,
    "/\\evil.example/x",
    "/..",
    "/v1/proxy/../../x",
  ])("%j that would fold into another is refused, with a record", async (target) => {
    const { statuses, urls } = await caller.tried(caller.start(target));
    expect(urls).toEqual([]);
    expect([404, 421]).toContain(statuses[0]);
  });

  test.each(["//evil.example/x", "///evil.example/x", `${API}//evil.example/x`, `${API}///x`])(
    "%j with empty segments stays a path on the key's own host",
    async (target) => {
      const { statuses, urls } = await caller.tried(caller.start(target));
      expect(statuses).toEqual([200]);
      expect(urls).toEqual([`GET ${target.replace(API, "")}`]);
    },
  );

  test.each([`http://evil.example${API}/x`, `https://evil.example:1${API}/x`])(
    "in absolute form, %j, names no host that counts: the Host header was ours, and so is the way",
    async (target) => {
      const { statuses, urls } = await caller.tried(caller.start(target));
      expect(statuses).toEqual([200]);
      expect(urls).toEqual(["GET /x"]);
    },
  );

  test("in absolute form with a foreign Host is misdirected", async () => {
    const { statuses, urls, records } = await caller.tried([
      `GET ${locker.proxyOrigin}${API}/x HTTP/1.1`,
      "Host: evil.example",
      `Authorization: Bearer ${caller.token}`,
    ]);
    expect([statuses, urls, records]).toEqual([[421], [], 0]);
  });

  test.each([
    `CONNECT ${"evil.example:443"} HTTP/1.1`,
    `CONNECT ${API}/x HTTP/1.1`,
    `TRACK ${API}/x HTTP/1.1`,
    `FOO ${API}/x HTTP/1.1`,
    `get ${API}/x HTTP/1.1`,
    "PRI * HTTP/2.0",
  ])("with the method of %j is not served", async (line) => {
    const { statuses, urls, records } = await caller.tried([
      line,
      `Host: ${caller.host}`,
      `Authorization: Bearer ${caller.token}`,
    ]);
    expect(statuses.every((status) => status >= 400)).toBe(true);
    expect([urls, records]).toEqual([[], 0]);
  });

  test.each([
    `GET ${API}/a\0b HTTP/1.1`,
    `GET ${API}/a b HTTP/1.1`,
    `GET ${API}/a\tb HTTP/1.1`,
    `GET ${API}/${"a".repeat(100_000)} HTTP/1.1`,
  ])("with bytes or a length that no target has is refused", async (line) => {
    const { statuses, urls } = await caller.tried([
      line,
      `Host: ${caller.host}`,
      `Authorization: Bearer ${caller.token}`,
    ]);
    expect(statuses.every((status) => status >= 400)).toBe(true);
    expect(urls).toEqual([]);
  });
});

describe("a Host header", () => {
  test.each([
    [`Host: evil.example`, `Host: HOST`],
    [`Host: HOST`, `Host: evil.example`],
    [`Host: HOST`, `Host: HOST`],
    [`Host: HOST, evil.example`],
    [`Host: x@HOST`],
    [`Host: HOST/evil`],
    [`Host: HOST?`],
    [`Host: evil.example#HOST`],
    [`Host: localhost.:1`],
    [`Host:`],
    [],
  ])("that is doubled, foreign, dressed up or absent is not served", async (...lines) => {
    const hosts = lines.map((line) => line.replace("HOST", caller.host));
    const { statuses, urls, records } = await caller.tried([
      `GET ${API}/x HTTP/1.1`,
      ...hosts,
      `Authorization: Bearer ${caller.token}`,
    ]);
    expect(statuses.every((status) => status >= 400)).toBe(true);
    expect([urls, records]).toEqual([[], 0]);
  });
});
