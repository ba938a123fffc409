import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { newHolder, SECRET, type Holder } from "../support/holder.ts";
import { usualLocker } from "../support/locker.ts";
import { WAYS_TO_STOP } from "../support/ways_to_stop.ts";
import { acceptWebSockets, connect, type Closed, type End } from "../support/websocket.ts";

const MIB = 1024 * 1024;
/** What compresses would lie in the network's buffers whole. */
const NOISE = randomBytes(MIB);

const locker = await usualLocker();

type Wish = { protocols?: string[]; headers?: Record<string, string> };

/** A WebSocket through the proxy: both ends, and what the upstream was asked. */
async function relayed(holder: Holder, wish: Wish = { headers: { authorization: `Bearer ${holder.token}` } }) {
  const upstream = acceptWebSockets(holder.upstream);
  const [client, { end: far, request }] = await Promise.all([
    connect(`${holder.base}/ws?model=x`, wish),
    upstream.accepted(),
  ]);
  if ("refused" in client) throw new Error(`refused with ${client.refused}: ${client.body}`);
  return { near: client.end, far, request, ...client };
}

test("text and bytes pass both ways, in order and each as what it was", async () => {
  const { near, far } = await relayed(await newHolder(locker));
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as [End, End][]) {
    from.socket.send("grüße 😀");
    from.socket.send(Buffer.from([0, 255, 1]));
    from.socket.send("");
    from.socket.send(Buffer.alloc(0));
    expect([await to.next(), await to.next(), await to.next(), await to.next()]).toEqual([
      { text: "grüße 😀" },
      { bytes: Buffer.from([0, 255, 1]) },
      { text: "" },
      { bytes: Buffer.alloc(0) },
    ]);
  }
  for (let at = 0; at < 500; at++) near.socket.send(String(at));
  for (let at = 0; at < 500; at++) expect(await far.next()).toEqual({ text: String(at) });
});

test("the upstream is asked for a WebSocket with the real key, and sees nothing of ours", async () => {
  const holder = await newHolder(locker);
  const { request, headers } = await relayed(holder, {
    headers: {
      authorization: `Bearer ${holder.token}`,
      cookie: "a=b",
      "x-forwarded-for": "1.2.3.4",
      origin: "http://evil.example",
    },
  });
  expect(request.url).toBe("/ws?model=x");
  expect(request.headers).toMatchObject({ authorization: `Bearer ${SECRET}`, upgrade: "websocket" });
  for (const name of ["cookie", "x-forwarded-for", "origin"]) expect(request.headers).not.toHaveProperty(name);
  expect(JSON.stringify(request.rawHeaders)).not.toContain("alk_");
  expect(headers["apilocker-request-id"]).toMatch(/^aud_/);
  expect(headers["x-content-type-options"]).toBe("nosniff");
});

test("where the key says so its secret is taken out of every message that comes down, text or bytes, and each is looked at by itself", async () => {
  const { near, far } = await relayed(await newHolder(locker, { key: { scrub: true } }));
  const said = [`key=${SECRET};`, Buffer.from(`{"key":"${SECRET}"}`), SECRET.slice(0, 10), SECRET.slice(10)];
  for (const message of said) far.socket.send(message);
  expect([await near.next(), await near.next(), await near.next(), await near.next()]).toEqual([
    { text: "key=[redacted];" },
    { bytes: Buffer.from('{"key":"[redacted]"}') },
    { text: SECRET.slice(0, 10) },
    { text: SECRET.slice(10) },
  ]);
  // What goes up is the caller's own.
  near.socket.send(SECRET);
  expect(await far.next()).toEqual({ text: SECRET });

  const plain = await relayed(await newHolder(locker));
  plain.far.socket.send(SECRET);
  expect(await plain.near.next()).toEqual({ text: SECRET });
});

test("a token among the subprotocols is found and taken out; the rest are offered, and the choice comes back", async () => {
  const holder = await newHolder(locker);
  const protocols = ["realtime", `openai-insecure-api-key.${holder.token}`, "openai-beta.realtime-v1"];
  const { request, protocol } = await relayed(holder, { protocols });
  expect(request.headers["sec-websocket-protocol"]).toBe("realtime, openai-beta.realtime-v1");
  expect(request.headers.authorization).toBe(`Bearer ${SECRET}`);
  expect(protocol).toBe("realtime");
});

test("a token in the query opens a WebSocket too, as some SDKs have it", async () => {
  const holder = await newHolder(locker);
  const upstream = acceptWebSockets(holder.upstream);
  const [, { request }] = await Promise.all([
    connect(`${holder.base}/ws?key=${holder.token}&v=1`),
    upstream.accepted(),
  ]);
  expect(request.url).toBe("/ws?v=1");
});

test.each([1000, 1001, 1003, 1007, 1011, 1013, 3000, 4000, 4999])(
  "close code %i passes both ways with its reason",
  async (code) => {
    const holder = await newHolder(locker);
    const first = await relayed(holder);
    first.near.socket.close(code, "from the client");
    expect(await first.far.closed).toEqual({ code, reason: "from the client" });
    expect(await first.near.closed).toEqual({ code, reason: "from the client" });
    const second = await relayed(holder);
    second.far.socket.close(code, "from the upstream");
    expect(await second.near.closed).toEqual({ code, reason: "from the upstream" });
    expect(await second.far.closed).toEqual({ code, reason: "from the upstream" });
  },
);

test("why the upstream closes is said without the credential, as an error is, and the code stays", async () => {
  const { near, far } = await relayed(await newHolder(locker, { key: { secret: "sk-123" } }));
  far.socket.close(3000, `Incorrect API key: ${"sk-123 ".repeat(14)}`);
  const { code, reason } = await near.closed;
  expect(code).toBe(3000);
  expect(reason).toMatch(/^Incorrect API key: \[redacted\] \[redacted\]/);
  expect(reason).not.toContain("sk-123");
});

test("a close without a code stays one, and messages sent before it still arrive", async () => {
  const { near, far } = await relayed(await newHolder(locker));
  near.socket.send("last words");
  near.socket.close();
  expect(await far.next()).toEqual({ text: "last words" });
  expect(await far.closed).toEqual({ code: 1005, reason: "" });
});

test("an end that is simply gone closes the other, and the row tells which it was", async () => {
  const holder = await newHolder(locker);
  const first = await relayed(holder);
  first.near.socket.terminate();
  expect((await first.far.closed).code).toBe(1001);
  expect(await holder.row("/ws")).toMatchObject({ outcome: "canceled", status: 101 });
  const second = await relayed(holder);
  second.far.socket.terminate();
  expect((await second.near.closed).code).toBe(1001);
});

test("the row of a WebSocket counts what went either way", async () => {
  const holder = await newHolder(locker);
  const { near, far } = await relayed(holder);
  near.socket.send("12345");
  await far.next();
  far.socket.send(Buffer.alloc(7));
  await near.next();
  near.socket.close(1000);
  await far.closed;
  expect(await holder.row("/ws")).toMatchObject({ outcome: "ok", status: 101, bytes_in: 5, bytes_out: 7 });
});

test("a message of a mebibyte passes; a larger one, from either side, closes both with 1008", async () => {
  const holder = await newHolder(locker);
  const first = await relayed(holder);
  first.near.socket.send(Buffer.alloc(MIB));
  expect((await first.far.next()).bytes).toHaveLength(MIB);
  first.near.socket.send(Buffer.alloc(MIB + 1));
  expect([(await first.near.closed).code, (await first.far.closed).code]).toEqual([1008, 1008]);
  expect(await holder.row("/ws")).toMatchObject({ outcome: "failed", rule: "websocket_cap" });
  const second = await relayed(holder);
  second.far.socket.send("ä".repeat(MIB / 2 + 1));
  expect([(await second.near.closed).code, (await second.far.closed).code]).toEqual([1008, 1008]);
});

test("more than eight mebibytes at once closes with 1008", async () => {
  const { near, far } = await relayed(await newHolder(locker));
  for (let at = 0; at < 24; at++) near.socket.send(Buffer.alloc(MIB));
  expect((await near.closed).code).toBe(1008);
  expect((await far.closed).code).toBe(1008);
});

test("an upstream that wants no WebSocket is heard, with its status and body", async () => {
  const holder = await newHolder(locker);
  holder.upstream.server.on("upgrade", (_request, socket) => {
    socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 10\r\nset-cookie: a=b\r\n\r\nnot for me");
  });
  const refusal = await connect(`${holder.base}/ws`, { headers: { authorization: `Bearer ${holder.token}` } });
  expect(refusal).toEqual({ refused: 403, body: "not for me" });
});

test("a WebSocket without a token, or with a dead one, is refused and the upstream asked for nothing", async () => {
  const holder = await newHolder(locker);
  await holder.person.api("DELETE", `/v1/tokens/${holder.token_id}`);
  expect(await connect(`${holder.base}/ws`)).toMatchObject({ refused: 401 });
  expect(await connect(`${holder.base}/ws`, { headers: { authorization: `Bearer ${holder.token}` } })).toMatchObject({
    refused: 401,
  });
  expect(holder.upstream.seen).toHaveLength(0);
});

test.each(WAYS_TO_STOP)("a WebSocket is cut on both sides when %s, and its row says cut", async (_what, rule, stop) => {
  const holder = await newHolder(locker);
  const { near, far } = await relayed(holder);
  near.socket.send("hello");
  await far.next();
  await stop(holder);
  expect([(await near.closed).code, (await far.closed).code]).toEqual([1008, 1008]);
  expect(await holder.row("/ws")).toMatchObject({ outcome: "cut", rule, status: 101 });
});

test("a WebSocket has its leash before it has its first message: a revocation that follows at once counts it as cut", async () => {
  const holder = await newHolder(locker);
  const { near } = await relayed(holder);
  const receipt = await holder.person.api("DELETE", `/v1/tokens/${holder.token_id}`);
  expect(receipt).toMatchObject({ streams_cut: 1, in_flight: 0 });
  expect((await near.closed).code).toBe(1008);
});

test("a reader that says nothing is closed with 1013 when its vault's silent readers are owed too much, whoever's message it was", async () => {
  const holder = await newHolder(locker);
  const ends = [];
  for (let at = 0; at < 5; at++) ends.push(await relayed(holder));
  // The first is owed most, but it is another's message that passes the bound.
  for (const [at, { far }] of ends.entries()) await owe(far, at === 0 ? 7 : 6);
  for (const { far } of ends.slice(1, 3)) await owe(far, 1);
  expect([(await ends[0]!.near.closed).code, (await ends[0]!.far.closed).code]).toEqual([1013, 1013]);
  for (const { near, far } of ends.slice(1)) {
    far.socket.send("still here");
    while ((await near.next()).text !== "still here");
  }
});

test("readers that take not even their close are dropped when what waits for them would pass the second bound; others are told and may still take it all", async () => {
  const holder = await newHolder(locker);
  const ends = [];
  for (let at = 0; at < 9; at++) {
    const end = await relayed(holder);
    end.near.socket.pause();
    ends.push(end);
    await owe(end.far, 7);
  }
  // From the fifth on each makes room by the oldest, and with the fifth that has to go the four before it are too much.
  const [dropped, told, open] = [ends.slice(0, 4), ends.slice(4, 5), ends.slice(5)];
  for (const { near } of dropped) expect((await endOfStuck(near)).code).toBe(1006);
  for (const { near } of told) {
    near.socket.resume();
    for (let at = 0; at < 7; at++) expect((await near.next()).bytes).toHaveLength(MIB);
    expect((await near.closed).code).toBe(1013);
  }
  for (const { near, far } of open) {
    near.socket.resume();
    far.socket.send("still here");
    while ((await near.next()).text !== "still here");
  }
});

/** How a reader that does not read ends: only by writing it can notice that nobody is there any more. */
async function endOfStuck({ socket, closed }: End): Promise<Closed> {
  const knocking = setInterval(() => socket.ping(() => {}), 20);
  return closed.finally(() => clearInterval(knocking));
}

/** Sends so many mebibytes, and waits until they have left. */
async function owe({ socket }: End, mebibytes: number): Promise<void> {
  for (let at = 0; at < mebibytes; at++) await new Promise((resolve) => socket.send(NOISE, resolve));
}
