import { brotliCompressSync, deflateSync, gzipSync, inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { newHolder, problemIn, SECRET } from "../support/holder.ts";
import { usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

const TEXT = `${"All work and no play makes Jack a dull boy. ".repeat(500)}ä€😀`;
const ENCODERS = { gzip: gzipSync, br: brotliCompressSync };

test.each(["gzip", "br"] as const)(
  "an answer in %s arrives decoded and correct, as if it had never been encoded",
  async (coding) => {
    const { call, upstream } = await newHolder(locker);
    const encoded = ENCODERS[coding](TEXT);
    upstream.answerWith((_request, response) => {
      response.writeHead(200, {
        "content-encoding": coding,
        "content-length": String(encoded.length),
        "content-type": "text/plain",
      });
      response.end(encoded);
    });
    const answer = await call("/v1", { headers: { "accept-encoding": coding } });
    expect(answer.text).toBe(TEXT);
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(answer.headers["content-length"]).toBeUndefined();
  },
);

test.each(["gzip", "br"] as const)(
  "a HEAD of something in %s promises neither the encoding nor its length",
  async (coding) => {
    const { call, upstream } = await newHolder(locker);
    upstream.answerWith((_request, response) => {
      response.writeHead(200, { "content-encoding": coding, "content-length": "77" }).end();
    });
    const { headers } = await call("/v1", { method: "HEAD", headers: { "accept-encoding": coding } });
    expect(headers["content-encoding"]).toBeUndefined();
    expect(headers["content-length"]).toBeUndefined();
  },
);

test("a stream of gzip arrives piece by piece, not at its end", async () => {
  const { call, upstream } = await newHolder(locker);
  upstream.answerWith((_request, response) => {
    response.writeHead(200, { "content-encoding": "gzip" });
    const encoded = gzipSync(TEXT);
    for (let at = 0; at < encoded.length; at += 10) response.write(encoded.subarray(at, at + 10));
    response.end();
  });
  expect((await call("/v1", { headers: { "accept-encoding": "gzip" } })).text).toBe(TEXT);
});

test("an encoding that the runtime cannot take off passes untouched", async () => {
  const { call, upstream } = await newHolder(locker);
  const encoded = deflateSync(TEXT);
  upstream.answerWith((_request, response) => {
    response.writeHead(200, { "content-encoding": "deflate", "content-length": String(encoded.length) }).end(encoded);
  });
  const { headers, body } = await call("/v1", { headers: { "accept-encoding": "deflate" } });
  expect(headers).toMatchObject({ "content-encoding": "deflate", "content-length": String(encoded.length) });
  expect(inflateSync(body).toString()).toBe(TEXT);
});

test.each([
  { accept: undefined, sent: "identity" },
  { accept: "gzip, deflate, br, zstd", sent: "gzip, br" },
  { accept: "br;q=1.0, *;q=0.1", sent: "br" },
  { accept: "GZIP", sent: "gzip" },
  { accept: "zstd, deflate", sent: "identity" },
  { accept: "x-gzip, brotli", sent: "identity" },
  { accept: "identity", sent: "identity" },
])("of the encodings $accept only what can be searched for the key is asked for: $sent", async ({ accept, sent }) => {
  const { call, upstream } = await newHolder(locker);
  await call("/v1", accept === undefined ? {} : { headers: { "accept-encoding": accept } });
  expect(upstream.seen[0]?.headers["accept-encoding"]).toBe(sent);
});

test("part of something is never asked for encoded: nobody can take the middle of a gzip apart", async () => {
  const { call, upstream } = await newHolder(locker);
  await call("/v1", { headers: { "accept-encoding": "gzip", range: "bytes=5-9" } });
  expect(upstream.seen[0]?.headers).toMatchObject({ "accept-encoding": "identity", range: "bytes=5-9" });
});

test("an answer that lies about its encoding is broken off, not handed out as something else", async () => {
  const { call, upstream, row } = await newHolder(locker);
  upstream.answerWith(
    (_request, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end("plain"),
  );
  await expect(call("/lie", { headers: { "accept-encoding": "gzip" } })).rejects.toThrow();
  expect(await row("/lie")).toMatchObject({ outcome: "failed", status: 200 });
});

test.each([
  { why: "an error body in deflate", status: 500, key: {} },
  { why: "any body in deflate of a key that is always scrubbed", status: 200, key: { scrub: true } },
])("$why is refused, for it cannot be searched for the key", async ({ status, key }) => {
  const { call, upstream, row } = await newHolder(locker, { key });
  upstream.answerWith((_request, response) => {
    response.writeHead(status, { "content-encoding": "deflate" }).end(deflateSync(`the key is ${SECRET}`));
  });
  const refused = await call("/v1");
  expect(refused.status).toBe(502);
  expect(problemIn(refused).code).toBe("upstream_refused");
  expect(await row("/v1")).toMatchObject({ outcome: "failed", rule: "upstream_refused", status });
});

test("a body whose encoding is 'identity' is searched like any other", async () => {
  const { call, upstream } = await newHolder(locker);
  upstream.answerWith((_request, response) => {
    response.writeHead(400, { "content-encoding": "identity" }).end(`the key is ${SECRET}`);
  });
  expect((await call("/v1")).text).toBe("the key is [redacted]");
});

test.each(["gzip", "br"] as const)("an error body in %s is decoded and the key cut out of it", async (coding) => {
  const { call, upstream } = await newHolder(locker);
  upstream.answerWith((_request, response) => {
    response.writeHead(403, { "content-encoding": coding }).end(ENCODERS[coding](`the key is ${SECRET}`));
  });
  expect((await call("/v1", { headers: { "accept-encoding": coding } })).text).toBe("the key is [redacted]");
});
