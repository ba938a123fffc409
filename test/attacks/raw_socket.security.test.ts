import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { SECRET } from "../support/holder.ts";
import { activity, mintToken, newPerson, startLocker, storeKey } from "../support/locker.ts";
import { speak, statusesIn } from "../support/raw_socket.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
let person: Person;
let token: string;
let host: string;

beforeAll(async () => {
  locker = await startLocker();
  upstream = await startUpstream();
  person = await newPerson(locker);
  await storeKey(person, "api", upstream.origin, { secret: SECRET });
  ({ token } = await mintToken(person));
  host = new URL(locker.proxyOrigin).host;
});
afterAll(async () => {
  await locker.stop();
  await upstream.stop();
});
beforeEach(() => {
  upstream.seen.length = 0;
});

const calls = async () => (await activity(person, 200)).filter(({ action }) => action === "proxy.call");

/** Says it, and tells what was answered, what reached the upstream, and how many records it made. */
async function tried(lines: string[], body = "") {
  const before = (await calls()).length;
  const heard = await speak(locker.proxyOrigin, `${lines.join("\r\n")}\r\n\r\n${body}`);
  expect(heard).not.toContain(SECRET);
  const records = (await calls()).length - before;
  // Nothing leaves the vault without a record, whatever shape it came in.
  expect(records).toBeGreaterThanOrEqual(upstream.seen.length);
  for (const { headers } of upstream.seen) {
    expect(headers.host).toBe(new URL(upstream.origin).host);
    expect(JSON.stringify(headers)).not.toContain("alk_");
  }
  return {
    statuses: statusesIn(heard),
    heard,
    records,
    urls: upstream.seen.map(({ method, url }) => `${method} ${url}`),
  };
}

const start = (target: string, method = "GET") => [
  `${method} ${target} HTTP/1.1`,
  `Host: ${host}`,
  `Authorization: Bearer ${token}`,
];
const API = "/v1/proxy/api";

describe("a request target", () => {
  test.each(["@evil.example/x", ":443@evil.example/", "?x=/v1", "\\evil.example", ""])(
    "%j that is no path at all is refused by the runtime, and nothing is sent",
    async (target) => {
      const { statuses, urls, records } = await tried(start(target));
      expect(statuses.every((status) => status >= 400)).toBe(true);
      expect([urls, records]).toEqual([[], 0]);
    },
  );

  test.each(["evil.example:443", "javascript:x", "http:x", `http://user@evil.example?${API}/x`])(
    "%j that the runtime takes for the root is the root of the key's own host at most",
    async (target) => {
      const { urls } = await tried(start(target));
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
    const { statuses, urls } = await tried(start(target));
    expect(urls).toEqual([]);
    expect([404, 421]).toContain(statuses[0]);
  });

  test.each(["//evil.example/x", "///evil.example/x", `${API}//evil.example/x`, `${API}///x`])(
    "%j with empty segments stays a path on the key's own host",
    async (target) => {
      const { statuses, urls } = await tried(start(target));
      expect(statuses).toEqual([200]);
      expect(urls).toEqual([`GET ${target.replace(API, "")}`]);
    },
  );

  test.each([`http://evil.example${API}/x`, `https://evil.example:1${API}/x`])(
    "in absolute form, %j, names no host that counts: the Host header was ours, and so is the way",
    async (target) => {
      const { statuses, urls } = await tried(start(target));
      expect(statuses).toEqual([200]);
      expect(urls).toEqual(["GET /x"]);
    },
  );

  test("in absolute form with a foreign Host is misdirected", async () => {
    const { statuses, urls, records } = await tried([
      `GET ${locker.proxyOrigin}${API}/x HTTP/1.1`,
      "Host: evil.example",
      `Authorization: Bearer ${token}`,
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
    const { statuses, urls, records } = await tried([line, `Host: ${host}`, `Authorization: Bearer ${token}`]);
    expect(statuses.every((status) => status >= 400)).toBe(true);
    expect([urls, records]).toEqual([[], 0]);
  });

  test.each([
    `GET ${API}/a\0b HTTP/1.1`,
    `GET ${API}/a b HTTP/1.1`,
    `GET ${API}/a\tb HTTP/1.1`,
    `GET ${API}/${"a".repeat(100_000)} HTTP/1.1`,
  ])("with bytes or a length that no target has is refused", async (line) => {
    const { statuses, urls } = await tried([line, `Host: ${host}`, `Authorization: Bearer ${token}`]);
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
    const hosts = lines.map((line) => line.replace("HOST", host));
    const { statuses, urls, records } = await tried([
      `GET ${API}/x HTTP/1.1`,
      ...hosts,
      `Authorization: Bearer ${token}`,
    ]);
    expect(statuses.every((status) => status >= 400)).toBe(true);
    expect([urls, records]).toEqual([[], 0]);
  });
});

describe("framing", () => {
  const smuggled = `GET ${API}/smuggled HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer TOKEN\r\n\r\n`;
  const inner = () => smuggled.replace("HOST", host).replace("TOKEN", token);

  test.each([
    ["two lengths that differ", ["Content-Length: 4", "Content-Length: 5"]],
    ["a list of lengths", ["Content-Length: 5, 5"]],
    ["a length with a sign", ["Content-Length: +5"]],
    ["a length in hex", ["Content-Length: 0x5"]],
    ["a negative length", ["Content-Length: -1"]],
    ["an unknown coding", ["Transfer-Encoding: xchunked"]],
    ["chunked that is not last", ["Transfer-Encoding: chunked, identity"]],
    ["a space before the colon", ["Transfer-Encoding : chunked"]],
    ["a folded line", ["X-A: 1", " Content-Length: 5"]],
    ["a NUL in a value", ["X-A: a\0b", "Content-Length: 5"]],
    ["a bare CR in a value", ["X-A: a\rContent-Length: 5"]],
    ["a line without a colon", ["Content-Length 5"]],
  ])("%s is refused before anything is sent, and the connection ends", async (_what, lines) => {
    const { statuses, urls, records } = await tried([...start(`${API}/x`, "POST"), ...lines], `hello${inner()}`);
    expect(statuses).toHaveLength(1);
    expect(statuses[0]).toBeGreaterThanOrEqual(400);
    expect([urls, records]).toEqual([[], 0]);
  });

  test("a length beside chunks counts for nothing (RFC 9112 §6.1): one request goes out, framed by us, and the connection ends", async () => {
    const lines = [...start(`${API}/x`, "POST"), "Content-Length: 4", "Transfer-Encoding: chunked"];
    const { statuses, urls } = await tried(lines, `5\r\nhello\r\n0\r\n\r\n${inner()}`);
    expect(statuses).toEqual([200]);
    expect(urls).toEqual(["POST /x"]);
    expect(upstream.seen[0]?.body.toString()).toBe("hello");
    expect(upstream.seen[0]?.headers).not.toHaveProperty("content-length");
  });

  test("chunk extensions and trailers end here", async () => {
    const lines = [...start(`${API}/x`, "POST"), "Transfer-Encoding: chunked"];
    await tried(lines, "5;x=y\r\nhello\r\n0\r\nX-Late: 1\r\nAuthorization: Bearer evil\r\n\r\n");
    expect(upstream.seen[0]?.body.toString()).toBe("hello");
    expect(upstream.seen[0]?.headers).toMatchObject({ authorization: `Bearer ${SECRET}` });
    expect(upstream.seen[0]?.headers).not.toHaveProperty("x-late");
  });

  test("a body that breaks its chunks off never reaches the upstream as a whole one", async () => {
    await tried([...start(`${API}/x`, "POST"), "Transfer-Encoding: chunked"], "5\r\nhello\r\nZZ\r\nmore\r\n0\r\n\r\n");
    await tried([...start(`${API}/x`, "POST"), "Content-Length: 100"], "hello");
    expect(upstream.seen).toEqual([]);
  });

  test("requests in one breath are two requests with two records, in their order", async () => {
    const first = [...start(`${API}/first`, "POST"), "Content-Length: 5"];
    const { statuses, urls, records } = await tried(first, `hello${inner().replace("smuggled", "second")}`);
    expect([statuses, urls, records]).toEqual([[200, 200], ["POST /first", "GET /second"], 2]);
  });

  test("each request on one connection is judged by itself: after a revocation the next one is refused", async () => {
    const { id, token: short } = await mintToken(person);
    const used = await tried([`GET ${API}/x HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${short}`]);
    expect(used.statuses).toEqual([200]);
    await person.api("DELETE", `/v1/tokens/${id}`);
    const again = await tried([`GET ${API}/x HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${short}`]);
    expect(again.statuses).toEqual([401]);
  });

  test("bare line feeds mean the same request and no second one", async () => {
    const heard = await speak(
      locker.proxyOrigin,
      `GET ${API}/lf HTTP/1.1\nHost: ${host}\nAuthorization: Bearer ${token}\n\n`,
    );
    expect(statusesIn(heard).length).toBeLessThanOrEqual(1);
    expect(upstream.seen.map(({ url }) => url)).toEqual(statusesIn(heard)[0] === 200 ? ["/lf"] : []);
  });
});

describe("doubled credentials", () => {
  test("of two Authorization lines neither reaches the upstream", async () => {
    const { urls } = await tried([...start(`${API}/x`), "AUTHORIZATION: Bearer of-the-caller"]);
    expect(urls).toEqual(["GET /x"]);
    const lines = upstream.seen[0]?.raw_headers.filter((_, at, all) => all[at - 1]?.toLowerCase() === "authorization");
    expect(lines).toEqual([`Bearer ${SECRET}`]);
  });

  test("a header of 64 KB and a thousand headers are refused without a record", async () => {
    for (const lines of [
      [`X-Big: ${"a".repeat(65_536)}`],
      Array.from({ length: 1_000 }, (_, at) => `X-${at}: ${"a".repeat(80)}`),
    ]) {
      const { statuses, urls, records } = await tried([...start(`${API}/x`), ...lines]);
      expect(statuses[0]).toBeGreaterThanOrEqual(400);
      expect([urls, records]).toEqual([[], 0]);
    }
  });
});
