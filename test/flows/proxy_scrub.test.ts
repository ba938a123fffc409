import { expect, test } from "vitest";
import { newHolder, SECRET, type Holder } from "../support/holder.ts";
import { usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

const bytes = Buffer.from(SECRET);
const escaped = [...bytes].map((byte) => `\\u00${byte.toString(16)}`).join("");

/** Every spelling that must not come back (CONTRACT §4). */
const SPELLINGS: Record<string, string> = {
  raw: SECRET,
  "base64, first alignment": bytes.toString("base64"),
  "base64, second alignment": Buffer.from(`a${SECRET}`).toString("base64"),
  "base64, third alignment": Buffer.from(`ab${SECRET}`).toString("base64"),
  "base64 within a pair": Buffer.from(`user:${SECRET}`).toString("base64"),
  base64url: Buffer.from(`a${SECRET}`).toString("base64url"),
  hex: bytes.toString("hex"),
  "hex in capitals": bytes.toString("hex").toUpperCase(),
  "percent-escaped": encodeURIComponent(SECRET),
  "percent-escaped in small letters": encodeURIComponent(SECRET).replace(/%../g, (escape) => escape.toLowerCase()),
  "percent-escaped throughout": [...bytes].map((byte) => `%${byte.toString(16)}`).join(""),
  "JSON with escaped slashes": SECRET.replaceAll("/", "\\/"),
  "JSON escaped throughout": escaped,
  "JSON escaped throughout, in capitals": escaped.toUpperCase().replaceAll("\\U", "\\u"),
};

/** A run of the secret, long enough to be nothing else, in any spelling. */
function expectGone(text: string) {
  for (const spelling of Object.values(SPELLINGS))
    expect(text.toLowerCase()).not.toContain(spelling.slice(4, -4).toLowerCase());
}

async function answered(holder: Holder, status: number, body: string | Buffer, headers: Record<string, string> = {}) {
  holder.upstream.answerWith((_request, response) => void response.writeHead(status, headers).end(body));
  return holder.call("/v1");
}

test("an error body says nothing of the credential in any listed spelling, and all else is as it was", async () => {
  const holder = await newHolder(locker);
  for (const [name, spelling] of Object.entries(SPELLINGS)) {
    const { text } = await answered(holder, 401, `before ${spelling} after — ä`);
    expectGone(text);
    expect([name, text]).toEqual([name, expect.stringMatching(/^before .{0,8}\[redacted\].{0,4} after — ä$/)]);
  }
});

test("every status from 400 on is scrubbed", async () => {
  const holder = await newHolder(locker);
  for (const status of [400, 401, 404, 429, 500, 503, 599]) {
    expect((await answered(holder, status, `key=${SECRET};`)).text).toBe("key=[redacted];");
  }
});

test("a body below 400 is passed on unread, unless the key says `scrub`", async () => {
  const plain = await newHolder(locker);
  expect((await answered(plain, 200, `key=${SECRET};`)).text).toBe(`key=${SECRET};`);
  const scrubbed = await newHolder(locker, { key: { scrub: true } });
  for (const status of [200, 201, 206, 302])
    expect((await answered(scrubbed, status, `key=${SECRET};`)).text).toBe("key=[redacted];");
});

test("a key that is always scrubbed asks for no ranges: a piece of the credential would not be known for one", async () => {
  const holder = await newHolder(locker, { key: { scrub: true } });
  await holder.call("/v1", { headers: { range: "bytes=0-3", "if-range": '"a"' } });
  expect(holder.upstream.seen[0]?.headers).not.toHaveProperty("range");
  expect(holder.upstream.seen[0]?.headers).not.toHaveProperty("if-range");
});

test("headers are scrubbed whatever the status", async () => {
  const holder = await newHolder(locker);
  for (const [name, spelling] of Object.entries(SPELLINGS)) {
    const { headers } = await answered(holder, 200, "", {
      "x-echo": `a ${spelling} b`,
      "www-authenticate": `Basic realm="${SECRET}"`,
    });
    expectGone(JSON.stringify(headers));
    expect([name, headers["x-echo"]]).toEqual([name, expect.stringMatching(/^a .{0,8}\[redacted\].{0,4} b$/)]);
    expect(headers["www-authenticate"]).toBe('Basic realm="[redacted]"');
  }
});

test("the credential is found although it comes in two pieces, wherever it is cut", async () => {
  const holder = await newHolder(locker);
  const whole = Buffer.from(`[${SECRET}]`);
  for (let at = 1; at < whole.length; at++) {
    holder.upstream.answerWith(async (_request, response) => {
      response.writeHead(500).write(whole.subarray(0, at));
      await new Promise(setImmediate);
      response.end(whole.subarray(at));
    });
    expect([at, (await holder.call("/v1")).text]).toEqual([at, "[[redacted]]"]);
  }
});

test("it is found byte by byte too", async () => {
  const holder = await newHolder(locker, { key: { scrub: true } });
  holder.upstream.answerWith(async (_request, response) => {
    for (const byte of Buffer.from(`${SECRET}x${SECRET.slice(0, -1)}!${Buffer.from(SECRET).toString("hex")}`)) {
      response.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    response.end();
  });
  expect((await holder.call("/v1")).text).toBe(`[redacted]x${SECRET.slice(0, -1)}![redacted]`);
});

test("what merely begins like the credential is not held back from the end of a stream", async () => {
  const holder = await newHolder(locker, { key: { scrub: true } });
  expect((await answered(holder, 200, `text ${SECRET.slice(0, 10)}`)).text).toBe(`text ${SECRET.slice(0, 10)}`);
});

test("bytes that are no text pass through the scrubber unharmed", async () => {
  const holder = await newHolder(locker, { key: { scrub: true } });
  const noise = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 131 + (at >> 7)) % 256));
  const { body } = await answered(holder, 200, Buffer.concat([noise, Buffer.from(SECRET), noise]));
  expect(body.equals(Buffer.concat([noise, Buffer.from("[redacted]"), noise]))).toBe(true);
});

test("a Basic pair is scrubbed as it is sent, and so is the password in it, but not the public user name", async () => {
  const fields = { username: "ada-lovelace", password: SECRET };
  const holder = await newHolder(locker, { key: { secret: undefined, fields, placement: { in: "basic" } } });
  holder.upstream.answerWith((_request, response, { headers }) => {
    response.writeHead(403).end(`${headers.authorization} of ada-lovelace is ${SECRET}`);
  });
  expect((await holder.call("/v1")).text).toBe("Basic [redacted] of ada-lovelace is [redacted]");
});

test("every field of a credential in several headers is scrubbed", async () => {
  const placement = { in: "headers", headers: { "x-id": "{api_key}", "x-app": "app {application_key}" } };
  const fields = { api_key: SECRET, application_key: "second-secret-0099" };
  const holder = await newHolder(locker, { key: { secret: undefined, fields, placement } });
  expect((await answered(holder, 500, `${SECRET} and second-secret-0099`)).text).toBe("[redacted] and [redacted]");
});
