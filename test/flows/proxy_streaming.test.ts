import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { begin, newHolder, opened } from "../support/holder.ts";
import { eventually, usualLocker } from "../support/locker.ts";

const MIB = 1024 * 1024;

const locker = await usualLocker();

async function wholeOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("the first piece of an upload reaches the upstream before the last one is sent", async () => {
  const holder = await newHolder(locker);
  const first = Promise.withResolvers<string>();
  const heard: Buffer[] = [];
  holder.upstream.answerAtOnce((request, response) => {
    request.on("data", (chunk: Buffer) => {
      heard.push(chunk);
      first.resolve(chunk.toString());
    });
    request.on("end", () => response.end("thanks"));
  });
  const { asked, answered } = begin(holder, "/upload", { method: "POST" });
  asked.write("first,");
  // Nothing more is written until the upstream has this.
  expect(await first.promise).toBe("first,");
  asked.end("last");
  expect((await wholeOf(await answered)).toString()).toBe("thanks");
  expect(Buffer.concat(heard).toString()).toBe("first,last");
});

test("an upload is answered while it is still under way, and both go on", async () => {
  const holder = await newHolder(locker);
  holder.upstream.answerAtOnce((request, response) => {
    response.writeHead(200).write("begun;");
    request.on("data", (chunk: Buffer) => response.write(`got ${chunk.toString()};`));
    request.on("end", () => response.end("done"));
  });
  const { asked, answered } = begin(holder, "/duplex", { method: "POST" });
  asked.write("a");
  const stream = (await answered)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let heard = "";
  const until = async (end: string) => {
    while (!heard.endsWith(end)) heard += String((await stream.next()).value);
  };
  await until("got a;");
  asked.write("b");
  await until("got b;");
  asked.end();
  await until("done");
  expect(heard).toBe("begun;got a;got b;done");
});

test.each([{ scrub: false }, { scrub: true }])(
  "every event reaches the client before the next is produced (%o)",
  async (key) => {
    const holder = await newHolder(locker, { key });
    let stream: ServerResponse | undefined;
    holder.upstream.answerWith((_request, response) => {
      stream = response.writeHead(200, { "content-type": "text/event-stream" });
      stream.write("data: 0\n\n");
    });
    const heard: string[] = [];
    for await (const chunk of await opened(holder, "/events")) {
      heard.push(String(chunk));
      if (heard.length < 20) stream?.write(`data: ${heard.length}\n\n`);
      else stream?.end();
    }
    expect(heard).toEqual(Array.from({ length: 20 }, (_, at) => `data: ${at}\n\n`));
  },
);

test("ten thousand tiny chunks arrive complete and in order", async () => {
  const holder = await newHolder(locker);
  const chunks = Array.from({ length: 10_000 }, (_, at) => `${at},`);
  holder.upstream.answerWith(async (_request, response) => {
    for (const [at, chunk] of chunks.entries()) {
      response.write(chunk);
      // Lets each go out by itself now and then, so that they are chunks on the wire and not one buffer.
      if (at % 10 === 0) await new Promise(setImmediate);
    }
    response.end();
  });
  expect((await wholeOf(await opened(holder, "/chunks"))).toString()).toBe(chunks.join(""));
});

test("a client that reads slowly slows the upstream down; nothing piles up in between", async () => {
  const holder = await newHolder(locker);
  const total = 64 * MIB;
  const sending = Promise.withResolvers<ServerResponse>();
  holder.upstream.answerWith(async (_request, response) => {
    sending.resolve(response);
    for (let sent = 0; sent < total; sent += MIB) {
      if (!response.write(Buffer.alloc(MIB, sent / MIB)))
        await new Promise((resolve) => response.once("drain", resolve));
    }
    response.end();
  });
  const answer = await opened(holder, "/big");
  answer.pause();
  const { socket } = await sending.promise;
  await eventually(async () => {
    const before = socket?.bytesWritten;
    await new Promise((resolve) => setTimeout(resolve, 250));
    return socket?.bytesWritten === before;
  });
  expect(socket?.bytesWritten).toBeLessThan(total / 2);
  const whole = await wholeOf(answer);
  expect(whole).toHaveLength(total);
  expect(whole.at(-1)).toBe(63);
});

test("an upstream that reads slowly slows the upload down", async () => {
  const holder = await newHolder(locker);
  const total = 64 * MIB;
  let heard = 0;
  const started = Promise.withResolvers<() => void>();
  holder.upstream.answerAtOnce((request, response) => {
    started.resolve(() => request.on("data", (chunk: Buffer) => (heard += chunk.length)));
    request.on("end", () => response.end("all of it"));
  });
  const { asked, answered } = begin(holder, "/upload", {
    method: "POST",
    headers: { "content-length": String(total) },
  });
  let taken = 0;
  const writing = (async () => {
    for (; taken < total; taken += MIB) {
      if (!asked.write(Buffer.alloc(MIB))) await new Promise((resolve) => asked.once("drain", resolve));
    }
    asked.end();
  })();
  const read = await started.promise;
  await eventually(async () => {
    const before = taken;
    await new Promise((resolve) => setTimeout(resolve, 250));
    return taken === before;
  });
  expect(taken).toBeLessThan(total / 2);
  read();
  await writing;
  expect((await wholeOf(await answered)).toString()).toBe("all of it");
  expect(heard).toBe(total);
});

test("bytes of every value survive the way up and down", async () => {
  const holder = await newHolder(locker);
  const bytes = Buffer.from(Array.from({ length: 256 * 256 }, (_, at) => (at * 7 + (at >> 8)) % 256));
  holder.upstream.answerWith((_request, response, seen) => void response.end(seen.body));
  const { body } = await holder.call("/echo", { method: "PUT", body: bytes });
  expect(body.equals(bytes)).toBe(true);
});
