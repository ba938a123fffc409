import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { newHolder, opened, type Holder } from "../support/holder.ts";
import { eventually, usualLocker } from "../support/locker.ts";

type Receipt = { streams_cut: number; in_flight: number };

const locker = await usualLocker();

/** A stream that both ends hold, and what each of them sees of its end. */
async function openStream(holder: Holder, path = "/stream") {
  const upstreamClosed = Promise.withResolvers<void>();
  const response = Promise.withResolvers<ServerResponse>();
  holder.upstream.answerWith((_request, answer) => {
    answer.on("close", upstreamClosed.resolve);
    answer.writeHead(200, { "content-type": "text/event-stream" }).write("data: first\n\n");
    response.resolve(answer);
  });
  const answer = await opened(holder, path);
  await new Promise((resolve) => answer.once("data", resolve));
  await leashed(holder);
  const clientEnded = endOf(answer);
  return {
    upstream: await response.promise,
    upstreamClosed: upstreamClosed.promise,
    clientEnded,
    heard: hears(answer),
  };
}

/** Resolves when a stream has ended. */
function endOf(answer: IncomingMessage): Promise<"whole" | "broken off"> {
  return new Promise((resolve) => {
    answer.on("end", () => resolve("whole"));
    answer.on("error", () => resolve("broken off"));
  });
}

/** Reads a stream, and tells when a word has come. */
function hears(answer: IncomingMessage): (word: string) => Promise<void> {
  let text = "";
  answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return async (word) => {
    while (!text.includes(word)) await once(answer, "data");
  };
}

/** The object of a holder's vault. */
function objectOf({ token }: Holder): { name: string } {
  return { name: token.slice(10, 34) };
}

async function inVault(holder: Holder, query: string) {
  const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", objectOf(holder));
  return storage.exec(query);
}

/** Waits until the vault knows that somebody holds the call. */
async function leashed(holder: Holder): Promise<void> {
  await eventually(
    async () => (await inVault(holder, "SELECT 1 FROM audit WHERE pending = 1 AND unclaimed_at IS NULL")).length > 0,
  );
}

async function evict(holder: Holder, webSockets: "hibernate" | "close"): Promise<void> {
  // Only what is awake can be put to sleep.
  await inVault(holder, "SELECT 1");
  await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", { ...objectOf(holder), webSockets });
}

describe("a vault that falls asleep", () => {
  it("cuts no stream by that, and still cuts it when it is told to", async () => {
    const holder = await newHolder(locker);
    const { upstream, upstreamClosed, clientEnded } = await openStream(holder);
    for (let i = 0; i < 3; i++) {
      await evict(holder, "hibernate");
      upstream.write(`data: ${i}\n\n`);
    }
    const receipt = await holder.person.api<Receipt>("DELETE", `/v1/tokens/${holder.token_id}`);
    expect(receipt).toMatchObject({ streams_cut: 1, in_flight: 0 });
    expect(await clientEnded).toBe("broken off");
    await upstreamClosed;
    expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule: "revoked", status: 200 });
  });

  it("hears afterwards how the stream ended by itself", async () => {
    const holder = await newHolder(locker);
    const { upstream, clientEnded } = await openStream(holder);
    await evict(holder, "hibernate");
    upstream.end("data: last\n\n");
    expect(await clientEnded).toBe("whole");
    expect(await holder.row("/stream")).toMatchObject({ outcome: "ok", status: 200 });
  });
});

describe("a leash that is lost", () => {
  it("is asked for again: the stream goes on, and a revocation cuts it as before", async () => {
    const holder = await newHolder(locker);
    const { upstream, upstreamClosed, clientEnded, heard } = await openStream(holder);
    const [{ lease: before } = {}] = await inVault(holder, "SELECT lease FROM audit WHERE pending = 1");
    await evict(holder, "close");
    await eventually(async () => {
      const [{ lease } = {}] = await inVault(
        holder,
        "SELECT lease FROM audit WHERE pending = 1 AND unclaimed_at IS NULL",
      );
      return lease !== undefined && lease !== before;
    });
    upstream.write("data: still here\n\n");
    await heard("still here");
    const receipt = await holder.person.api<Receipt>("DELETE", `/v1/tokens/${holder.token_id}`);
    expect(receipt).toMatchObject({ streams_cut: 1, in_flight: 0 });
    expect(await clientEnded).toBe("broken off");
    await upstreamClosed;
    expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule: "revoked" });
  });

  it("and whose decision fell before it was asked for again is cut within the two seconds that asking may take", async () => {
    const holder = await newHolder(locker);
    const { upstreamClosed, clientEnded } = await openStream(holder);
    await evict(holder, "close");
    await holder.person.api("POST", "/v1/keys/api/pause");
    expect(await clientEnded).toBe("broken off");
    await upstreamClosed;
    expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule: "key_paused" });
  });

  // The only test that waits: ten seconds are the promise itself.
  it("and cannot be had again for ten seconds cuts the stream: without a leash nothing goes on", async () => {
    const holder = await newHolder(locker);
    const { upstreamClosed, clientEnded } = await openStream(holder);
    // The vault's mark is away, so the object that wakes is nobody's and answers no leash.
    await inVault(holder, "ALTER TABLE vault RENAME TO vault_away");
    const lost_at = Date.now();
    await evict(holder, "close");
    expect(await clientEnded).toBe("broken off");
    await upstreamClosed;
    expect(Date.now() - lost_at).toBeGreaterThan(9_000);
    await inVault(holder, "ALTER TABLE vault_away RENAME TO vault");
    await evict(holder, "close");
    // Its router goes on telling the vault, with nobody calling meanwhile.
    expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule: "leash_lost" });
  }, 40_000);
});

describe("a call that ends before its leash would open", () => {
  it("has none, and a client that leaves a stream leaves none behind", async () => {
    const holder = await newHolder(locker);
    await Promise.all(Array.from({ length: 20 }, () => holder.call("/short")));
    await openStream(holder);
    // That a client has left shows at the next thing that is written to it.
    holder.upstream.answerWith((_request, answer) => {
      const timer = setInterval(() => answer.write("data: again\n\n"), 20);
      answer.on("close", () => clearInterval(timer)).writeHead(200, { "content-type": "text/event-stream" });
    });
    const left = await opened(holder, "/left");
    left.destroy();
    expect(await holder.row("/left")).toMatchObject({ outcome: "canceled" });
    const receipt = await holder.person.api<Receipt>("DELETE", `/v1/tokens/${holder.token_id}`);
    expect(receipt).toMatchObject({ streams_cut: 1, in_flight: 0 });
  });
});
