import { describe, expect, test } from "vitest";
import { newHolder, problemIn, SECRET, send } from "../support/holder.ts";
import { usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

describe("requests", () => {
  const WITHOUT_BODY = ["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND"];
  const WITH_BODY = ["POST", "PUT", "PATCH", "DELETE", "QUERY", "OPTIONS", "REPORT"];

  test.each(WITHOUT_BODY)("%s goes through as it is, with path and query to the letter", async (method) => {
    const { call, upstream } = await newHolder(locker);
    const { status } = await call("/v1/a%20b/c+d;e?x=1&x=2&y=%2Fz&flag&empty=", { method });
    expect(status).toBe(200);
    expect(upstream.seen).toMatchObject([{ method, url: "/v1/a%20b/c+d;e?x=1&x=2&y=%2Fz&flag&empty=" }]);
    expect(upstream.seen[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
    expect(upstream.seen[0]?.body).toHaveLength(0);
  });

  test.each(WITH_BODY)("%s brings its body along, with the length that was declared", async (method) => {
    const { call, upstream } = await newHolder(locker);
    await call("/v1/things", { method, body: "hello", headers: { "content-length": "5", "content-type": "text/x" } });
    expect(upstream.seen).toMatchObject([{ method, headers: { "content-length": "5", "content-type": "text/x" } }]);
    expect(upstream.seen[0]?.headers["transfer-encoding"]).toBeUndefined();
    expect(upstream.seen[0]?.body.toString()).toBe("hello");
  });

  test("a body of unknown length stays chunked", async () => {
    const { call, upstream } = await newHolder(locker);
    await call("/v1/things", { method: "POST", body: "hello", headers: { "transfer-encoding": "chunked" } });
    expect(upstream.seen[0]?.headers["transfer-encoding"]).toBe("chunked");
    expect(upstream.seen[0]?.headers["content-length"]).toBeUndefined();
    expect(upstream.seen[0]?.body.toString()).toBe("hello");
  });

  test("a POST without a body says that it has none", async () => {
    const { call, upstream } = await newHolder(locker);
    await call("/v1/things", { method: "POST", headers: { "content-length": "0" } });
    expect(upstream.seen[0]?.headers["content-length"]).toBe("0");
  });

  test.each(["GET", "HEAD"])("a body with %s, which some search APIs want, is sent along", async (method) => {
    const { call, upstream } = await newHolder(locker);
    const { status } = await call("/_search", { method, body: "{}", headers: { "content-length": "2" } });
    expect(status).toBe(200);
    expect(upstream.seen).toMatchObject([{ method, url: "/_search" }]);
    expect(upstream.seen[0]?.body.toString()).toBe("{}");
    expect(upstream.seen[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
  });

  test("such a body goes out while a rotation overlaps too, with the new secret only: it cannot be sent again", async () => {
    const { call, upstream, person } = await newHolder(locker);
    await person.api("POST", "/v1/keys/api/rotate", { secret: "sk-live-the-new-one", overlap_seconds: 60 });
    upstream.answerWith((_request, response) => void response.writeHead(401).end());
    const { status } = await call("/_search", { body: "{}", headers: { "content-length": "2" } });
    expect(status).toBe(401);
    expect(upstream.seen.map(({ headers, body }) => [headers.authorization, body.toString()])).toEqual([
      ["Bearer sk-live-the-new-one", "{}"],
    ]);
  });

  test("a GET that says it has an empty body is an ordinary GET", async () => {
    const { call, upstream } = await newHolder(locker);
    expect((await call("/v1", { headers: { "content-length": "0" } })).status).toBe(200);
    expect(upstream.seen[0]?.body).toHaveLength(0);
  });

  test("a GET whose body has no known length is refused, for the runtime would drop it in silence", async () => {
    const { call, upstream } = await newHolder(locker);
    const refused = await call("/_search", { body: "{}", headers: { "transfer-encoding": "chunked" } });
    expect(refused.status).toBe(422);
    expect(problemIn(refused).code).toBe("invalid_request");
    expect(upstream.seen).toHaveLength(0);
  });

  test("TRACE, which would echo the credential, is refused with the methods that are served", async () => {
    const { call, upstream } = await newHolder(locker);
    const refused = await call("/v1", { method: "TRACE" });
    expect(refused.status).toBe(405);
    expect(problemIn(refused).code).toBe("method_not_allowed");
    expect(refused.headers.allow).toContain("QUERY");
    expect(upstream.seen).toHaveLength(0);
  });

  test.each(["", "/", "?a=1", "/?a=1", "/v1/"])(
    "the path %j below the key's base path arrives as it was",
    async (path) => {
      const { base, token, upstream } = await newHolder(locker, { base_path: "/base" });
      const { status } = await send(base + path, { headers: { authorization: `Bearer ${token}` } });
      expect(status).toBe(200);
      expect(upstream.seen[0]?.url).toBe(`/base${path}`);
    },
  );

  test("a key is reached by its id as by its name", async () => {
    const { key, token, upstream } = await newHolder(locker);
    const headers = { authorization: `Bearer ${token}` };
    expect((await send(`${locker.proxyOrigin}/v1/proxy/${key.id}/v1`, { headers })).status).toBe(200);
    expect(upstream.seen[0]?.url).toBe("/v1");
  });
});

describe("answers", () => {
  test("every status of an answer comes back with its body", async () => {
    const { call, upstream } = await newHolder(locker);
    const statuses = [
      200, 201, 202, 203, 206, 207, 226, 300, 400, 401, 403, 404, 409, 418, 422, 429, 451, 500, 503, 599,
    ];
    for (const status of statuses) {
      upstream.answerWith((_request, response) => void response.writeHead(status, { "x-own": "1" }).end("body"));
      expect(await call("/v1")).toMatchObject({ status, text: "body", headers: { "x-own": "1" } });
    }
  });

  test.each([204, 205, 304])("status %i comes back without a body", async (status) => {
    const { call, upstream } = await newHolder(locker);
    upstream.answerWith((_request, response) => void response.writeHead(status, { etag: '"a"' }).end());
    expect(await call("/v1")).toMatchObject({ status, text: "", headers: { etag: '"a"' } });
  });

  test.each([600, 999])("status %i, which is none of HTTP's, is refused as the upstream's fault", async (status) => {
    const { call, upstream, row } = await newHolder(locker);
    upstream.answerWith(({ socket }) => void socket.end(`HTTP/1.1 ${status} Denied\r\ncontent-length: 2\r\n\r\nhi`));
    const refused = await call("/v1");
    expect(refused.status).toBe(502);
    expect(problemIn(refused).code).toBe("upstream_refused");
    expect(await row("/v1")).toMatchObject({ outcome: "failed", rule: "upstream_refused" });
  });

  test("a HEAD tells the length that a GET would have", async () => {
    const { call, upstream } = await newHolder(locker);
    upstream.answerWith((_request, response) => void response.writeHead(200, { "content-length": "1234" }).end());
    expect(await call("/v1", { method: "HEAD" })).toMatchObject({
      status: 200,
      text: "",
      headers: { "content-length": "1234" },
    });
  });

  test("a known length stays known, and an unknown one chunked", async () => {
    const { call, upstream } = await newHolder(locker);
    upstream.answerWith((_request, response) => void response.writeHead(200, { "content-length": "5" }).end("hello"));
    const known = await call("/v1");
    expect(known.headers).toMatchObject({ "content-length": "5" });
    expect(known.headers["transfer-encoding"]).toBeUndefined();
    upstream.answerWith((_request, response) => {
      response.write("hel");
      response.end("lo");
    });
    const unknown = await call("/v1");
    expect(unknown).toMatchObject({ text: "hello", headers: { "transfer-encoding": "chunked" } });
    expect(unknown.headers["content-length"]).toBeUndefined();
  });

  test("a range is asked for and answered", async () => {
    const { call, upstream } = await newHolder(locker);
    upstream.answerWith((_request, response) => {
      response.writeHead(206, { "content-range": "bytes 2-4/10", "content-length": "3" }).end("cde");
    });
    const answer = await call("/file", { headers: { range: "bytes=2-4", "if-range": '"a"' } });
    expect(upstream.seen[0]?.headers).toMatchObject({ range: "bytes=2-4", "if-range": '"a"' });
    expect(answer).toMatchObject({ status: 206, text: "cde", headers: { "content-range": "bytes 2-4/10" } });
  });

  test("early hints do not stand in for the answer", async () => {
    const { call, upstream } = await newHolder(locker);
    upstream.answerWith((_request, response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" });
      response.end("answer");
    });
    expect(await call("/v1")).toMatchObject({ status: 200, text: "answer" });
  });

  test("every proxied answer names its audit row and tells where the time went", async () => {
    const { call, row, upstream } = await newHolder(locker);
    upstream.answerWith((_request, response) => {
      response.writeHead(200, { "apilocker-request-id": "forged", "server-timing": "theirs;dur=1" }).end();
    });
    const { headers } = await call("/v1/timed");
    expect(headers["apilocker-request-id"]).toBe((await row("/v1/timed")).id);
    expect(headers["server-timing"]).toMatch(/^vault;dur=\d+, upstream;dur=\d+$/);
  });
});
