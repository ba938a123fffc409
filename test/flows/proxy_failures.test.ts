import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { begin, newHolder, opened, problemIn, SECRET, send, type Answer, type Holder } from "../support/holder.ts";
import { activity, eventually, startLocker } from "../support/locker.ts";

let locker: LocalLocker;
const logged: string[] = [];
beforeAll(async () => {
  locker = await startLocker({ log: (line) => logged.push(line) });
});
afterAll(() => locker.stop());

/** A refusal is a problem document with our words only. */
function expectProblem(answer: Answer, status: number, code: string) {
  expect(answer.status).toBe(status);
  expect(answer.headers).toMatchObject({ "content-type": "application/problem+json", "cache-control": "no-store" });
  const { request_id, ...problem } = problemIn(answer);
  expect(problem).toMatchObject({
    type: `${locker.publicOrigin}/problems/${code}`,
    status,
    code,
    title: expect.any(String) as string,
  });
  expect(answer.headers["apilocker-request-id"]).toBe(request_id);
  expect(answer.text).not.toMatch(/\bat \S+ \(|Error:|\.ts\b|\.js\b|workerd/);
  expect(answer.text).not.toContain(SECRET);
}

/** Asks a holder's vault past the Worker. */
async function inVault({ token }: Holder, query: string) {
  const object = { name: token.slice(10, 34) };
  const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", object);
  return storage.exec(query);
}

// The first of this file: nobody else's lines may come between.
test("a stream that is cut leaves no line in the log", async () => {
  const [holder, broken] = await Promise.all([newHolder(locker), newHolder(locker)]);
  holder.upstream.answerWith((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
  });
  const answer = await opened(holder, "/stream");
  await once(answer, "data");
  const ended = once(answer.resume(), "end").then(
    () => "whole",
    () => "broken off",
  );
  const held = "SELECT 1 FROM audit WHERE pending = 1 AND unclaimed_at IS NULL";
  await eventually(async () => (await inVault(holder, held)).length === 1);
  const before = logged.length;
  const receipt = await holder.person.api("DELETE", `/v1/tokens/${holder.token_id}`);
  expect(receipt).toMatchObject({ streams_cut: 1 });
  expect(await ended).toBe("broken off");
  // Lines come in their order: the next is that of a vault which cannot write.
  await inVault(broken, "ALTER TABLE audit RENAME TO audit_away");
  expect((await broken.call("/v1")).status).toBe(503);
  await eventually(async () => logged.length > before);
  expect(logged[before]).toContain("vault_unreachable");
});

describe("an upstream", () => {
  test("that nobody listens for is 502, and the row says failed", async () => {
    const { call, row, upstream } = await newHolder(locker);
    await upstream.stop();
    expectProblem(await call("/v1"), 502, "upstream_unreachable");
    expect(await row("/v1")).toMatchObject({ outcome: "failed", rule: "upstream_unreachable" });
  });

  test.each([
    ["hangs up", ""],
    ["speaks no HTTP", "220 mail.internal ESMTP secret-banner\r\n"],
    ["breaks off in its headers", "HTTP/1.1 200 OK\r\nx-internal: secret-ban"],
    ["sends a broken length", "HTTP/1.1 200 OK\r\ncontent-length: secret-banner\r\n\r\nx"],
    [
      "breaks off in a short body",
      "HTTP/1.1 200 OK\r\nx-internal: secret-banner\r\ncontent-length: 99\r\n\r\nsecret-ban",
    ],
  ])("that %s is 502, and nothing of what it said is told", async (_what, said) => {
    const { call, row, upstream } = await newHolder(locker);
    upstream.answerWith(({ socket }) => void socket.end(said));
    const refused = await call("/v1");
    expectProblem(refused, 502, "upstream_unreachable");
    expect(refused.text).not.toContain("secret-ban");
    expect(await row("/v1")).toMatchObject({ outcome: "failed" });
  });

  test.each([
    ["of known length", { "content-length": "99999" }],
    ["of unknown length", {}],
  ])(
    "that dies in the middle of a body %s breaks the client's body off too: half an answer is never a whole one",
    async (_what, headers) => {
      const { call, row, upstream } = await newHolder(locker);
      upstream.answerWith((_request, response) => {
        response.writeHead(200, headers).write("half of it");
        setImmediate(() => response.destroy());
      });
      await expect(call("/v1")).rejects.toThrow();
      expect(await row("/v1")).toMatchObject({ outcome: "failed", status: 200 });
    },
  );

  test("that dies in the middle of a body that is being scrubbed does too", async () => {
    const { call, row, upstream } = await newHolder(locker);
    upstream.answerWith((_request, response) => {
      response.writeHead(500).write(`the key is ${SECRET.slice(0, 8)}`);
      setImmediate(() => response.destroy());
    });
    await expect(call("/v1")).rejects.toThrow();
    expect(await row("/v1")).toMatchObject({ outcome: "failed", status: 500 });
  });

  test("that says a length beside its chunks is not read whole first: it could go on for ever", async () => {
    const holder = await newHolder(locker);
    let socket: Socket | undefined;
    holder.upstream.answerAtOnce((request) => {
      ({ socket } = request);
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    });
    const answer = await opened(holder, "/v1");
    expect(answer.statusCode).toBe(200);
    socket?.end("6\r\n again\r\n0\r\n\r\n");
    expect(Buffer.concat(await answer.toArray()).toString()).toBe("hello again");
  });

  test("that answers before the whole upload has come is heard", async () => {
    const holder = await newHolder(locker);
    holder.upstream.answerAtOnce((request, response) => {
      response.writeHead(413, { connection: "close" }).end("too much");
      request.resume();
    });
    const { asked, answered } = begin(holder, "/v1", { method: "POST", headers: { "content-length": "1000000" } });
    asked.on("error", () => {});
    asked.write("the first of many bytes");
    const answer = await answered;
    expect(answer.statusCode).toBe(413);
    asked.destroy();
  });
});

describe("a client that leaves", () => {
  const SITUATIONS: [string, object, (response: ServerResponse) => void][] = [
    ["before the first byte", {}, () => {}],
    ["in the middle of a stream", {}, (response) => void response.writeHead(200).write("a")],
    [
      "in the middle of a body of known length",
      {},
      (response) => void response.writeHead(200, { "content-length": "99999" }).write("a"),
    ],
    [
      "in the middle of a body that is scrubbed",
      { scrub: true },
      (response) => void response.writeHead(200).write("a"),
    ],
  ];

  test.each(SITUATIONS)("%s ends the upstream's work, and the row says canceled", async (when, key, answer) => {
    const holder = await newHolder(locker, { key });
    const arrived = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    holder.upstream.answerWith((_request, response) => {
      response.on("close", ended.resolve);
      answer(response);
      arrived.resolve();
    });
    const { asked, answered } = begin(holder, "/v1");
    asked.on("error", () => {});
    answered.catch(() => {});
    asked.end();
    await arrived.promise;
    if (when !== "before the first byte") await answered;
    // A reset, as when a program is killed. Of a mere FIN the runtime learns with the next byte only: see below.
    asked.socket?.resetAndDestroy();
    await ended.promise;
    expect(await holder.row("/v1")).toMatchObject({ outcome: "canceled" });
  });

  test("by closing its side politely is noticed with the upstream's next byte", async () => {
    const holder = await newHolder(locker);
    let timer: NodeJS.Timeout | undefined;
    const ended = Promise.withResolvers<void>();
    holder.upstream.answerWith((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      timer = setInterval(() => response.write("data: 1\n\n"), 10);
      response.on("close", ended.resolve);
    });
    const answer = await opened(holder, "/v1");
    await new Promise((resolve) => answer.once("data", resolve));
    answer.destroy();
    await ended.promise;
    clearInterval(timer);
    expect(await holder.row("/v1")).toMatchObject({ outcome: "canceled", status: 200 });
  });

  test("in the middle of an upload ends it at the upstream too, and the row is ended", async () => {
    const holder = await newHolder(locker);
    const arrived = Promise.withResolvers<void>();
    const broken = Promise.withResolvers<void>();
    holder.upstream.answerAtOnce((request) => {
      request.on("data", () => arrived.resolve());
      request.on("error", () => broken.resolve());
      request.on("close", () => broken.resolve());
    });
    const { asked, answered } = begin(holder, "/v1", { method: "POST", headers: { "content-length": "1000" } });
    asked.on("error", () => {});
    answered.catch(() => {});
    asked.write("half");
    await arrived.promise;
    asked.socket?.resetAndDestroy();
    await broken.promise;
    expect((await holder.row("/v1")).outcome).toMatch(/canceled|failed/);
  });
});

describe("a request", () => {
  test("with headers of more than 64 KiB is refused before the vault is asked; with fewer it is served", async () => {
    const { call, person, upstream } = await newHolder(locker);
    expect((await call("/v1", { headers: { "x-big": "a".repeat(63 * 1024) } })).status).toBe(200);
    expect(upstream.seen[0]?.headers["x-big"]).toHaveLength(63 * 1024);
    expectProblem(await call("/v1", { headers: { "x-big": "a".repeat(64 * 1024) } }), 413, "too_large");
    const many = Object.fromEntries(Array.from({ length: 70 }, (_, at) => [`x-${at}`, "a".repeat(1024)]));
    expectProblem(await call("/v1", { headers: many }), 413, "too_large");
    expect(upstream.seen).toHaveLength(1);
    expect((await activity(person)).filter(({ action }) => action === "proxy.call")).toHaveLength(1);
  });

  test("that is refused gets a problem whatever it accepts", async () => {
    const { base } = await newHolder(locker);
    expectProblem(await send(`${base}/v1`, { headers: { accept: "text/html" } }), 401, "invalid_token");
    expectProblem(await send(`${locker.proxyOrigin}/`), 401, "invalid_token");
    expectProblem(await send(`${locker.proxyOrigin}/v1/proxy/`), 404, "not_found");
  });
});

test("two calls whose answer says `public, max-age` both reach the upstream: there is no shared cache", async () => {
  const { call, upstream } = await newHolder(locker);
  let count = 0;
  upstream.answerWith((_request, response) => {
    response
      .writeHead(200, { "cache-control": "public, max-age=86400, immutable", etag: '"a"' })
      .end(`answer ${++count}`);
  });
  expect([(await call("/v1")).text, (await call("/v1")).text]).toEqual(["answer 1", "answer 2"]);
});

test("after all of this the log holds neither credential nor token", () => {
  expect(logged.join("\n")).not.toContain(SECRET);
  expect(logged.join("\n")).not.toMatch(/alk_[a-z]{2,3}_[0-9A-Za-z]{20}/);
});
