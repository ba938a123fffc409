import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { SECRET } from "../support/holder.ts";
import { mintToken, usualLocker } from "../support/locker.ts";
import { API, newRawCaller, type RawCaller } from "../support/raw_caller.ts";
import { speak, statusesIn } from "../support/raw_socket.ts";

let locker: LocalLocker;
let caller: RawCaller;
beforeAll(async () => {
  locker = await usualLocker();
  caller = await newRawCaller(locker);
});
afterAll(() => caller.upstream.stop());

describe("framing", () => {
  const smuggled = `GET ${API}/smuggled HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer TOKEN\r\n\r\n`;
  const inner = () => smuggled.replace("HOST", caller.host).replace("TOKEN", caller.token);

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
    const { statuses, urls, records } = await caller.tried(
      [...caller.start(`${API}/x`, "POST"), ...lines],
      `hello${inner()}`,
    );
    expect(statuses).toHaveLength(1);
    expect(statuses[0]).toBeGreaterThanOrEqual(400);
    expect([urls, records]).toEqual([[], 0]);
  });

  test("a length beside chunks counts for nothing (RFC 9112 §6.1): one request goes out, framed by us, and the connection ends", async () => {
    const lines = [...caller.start(`${API}/x`, "POST"), "Content-Length: 4", "Transfer-Encoding: chunked"];
    const { statuses, urls } = await caller.tried(lines, `5\r\nhello\r\n0\r\n\r\n${inner()}`);
    expect(statuses).toEqual([200]);
    expect(urls).toEqual(["POST /x"]);
    expect(caller.upstream.seen[0]?.body.toString()).toBe("hello");
    expect(caller.upstream.seen[0]?.headers).not.toHaveProperty("content-length");
  });

  test("chunk extensions and trailers end here", async () => {
    const lines = [...caller.start(`${API}/x`, "POST"), "Transfer-Encoding: chunked"];
    await caller.tried(lines, "5;x=y\r\nhello\r\n0\r\nX-Late: 1\r\nAuthorization: Bearer evil\r\n\r\n");
    expect(caller.upstream.seen[0]?.body.toString()).toBe("hello");
    expect(caller.upstream.seen[0]?.headers).toMatchObject({ authorization: `Bearer ${SECRET}` });
    expect(caller.upstream.seen[0]?.headers).not.toHaveProperty("x-late");
  });

  test("a body that breaks its chunks off never reaches the upstream as a whole one", async () => {
    await caller.tried(
      [...caller.start(`${API}/x`, "POST"), "Transfer-Encoding: chunked"],
      "5\r\nhello\r\nZZ\r\nmore\r\n0\r\n\r\n",
    );
    await caller.tried([...caller.start(`${API}/x`, "POST"), "Content-Length: 100"], "hello");
    expect(caller.upstream.seen).toEqual([]);
  });

  test("requests in one breath are two requests with two records, in their order", async () => {
    const first = [...caller.start(`${API}/first`, "POST"), "Content-Length: 5"];
    const { statuses, urls, records } = await caller.tried(first, `hello${inner().replace("smuggled", "second")}`);
    expect([statuses, urls, records]).toEqual([[200, 200], ["POST /first", "GET /second"], 2]);
  });

  test("each request on one connection is judged by itself: after a revocation the next one is refused", async () => {
    const { id, token: short } = await mintToken(caller.person);
    const used = await caller.tried([
      `GET ${API}/x HTTP/1.1`,
      `Host: ${caller.host}`,
      `Authorization: Bearer ${short}`,
    ]);
    expect(used.statuses).toEqual([200]);
    await caller.person.api("DELETE", `/v1/tokens/${id}`);
    const again = await caller.tried([
      `GET ${API}/x HTTP/1.1`,
      `Host: ${caller.host}`,
      `Authorization: Bearer ${short}`,
    ]);
    expect(again.statuses).toEqual([401]);
  });

  test("bare line feeds mean the same request and no second one", async () => {
    const heard = await speak(
      locker.proxyOrigin,
      `GET ${API}/lf HTTP/1.1\nHost: ${caller.host}\nAuthorization: Bearer ${caller.token}\n\n`,
    );
    expect(statusesIn(heard).length).toBeLessThanOrEqual(1);
    expect(caller.upstream.seen.map(({ url }) => url)).toEqual(statusesIn(heard)[0] === 200 ? ["/lf"] : []);
  });
});

describe("doubled credentials", () => {
  test("of two Authorization lines neither reaches the upstream", async () => {
    const { urls } = await caller.tried([...caller.start(`${API}/x`), "AUTHORIZATION: Bearer of-the-caller"]);
    expect(urls).toEqual(["GET /x"]);
    const lines = caller.upstream.seen[0]?.raw_headers.filter(
      (_, at, all) => all[at - 1]?.toLowerCase() === "authorization",
    );
    expect(lines).toEqual([`Bearer ${SECRET}`]);
  });

  test("a header of 64 KB and a thousand headers are refused without a record", async () => {
    for (const lines of [
      [`X-Big: ${"a".repeat(65_536)}`],
      Array.from({ length: 1_000 }, (_, at) => `X-${at}: ${"a".repeat(80)}`),
    ]) {
      const { statuses, urls, records } = await caller.tried([...caller.start(`${API}/x`), ...lines]);
      expect(statuses[0]).toBeGreaterThanOrEqual(400);
      expect([urls, records]).toEqual([[], 0]);
    }
  });
});
