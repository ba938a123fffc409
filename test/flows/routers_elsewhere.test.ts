import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { afterAll, expect, test } from "vitest";
import { ended, newHolder, opened, problemIn, SECRET, send, type Holder } from "../support/holder.ts";
import { eventually, startLocker } from "../support/locker.ts";

// As in a deployment: the routers run in one process, the vaults in another, and what the two share goes over a network.
const locker = await startLocker({ elsewhere: true });
afterAll(() => locker.stop());

async function newHolderElsewhere(): Promise<Holder> {
  const holder = await newHolder(locker);
  const base = `${locker.elsewhere}/v1/proxy/api`;
  return {
    ...holder,
    base,
    call: (path) => send(base + path, { headers: { authorization: `Bearer ${holder.token}` } }),
  };
}

/** Open event streams, how each ends for its client, and how many are open at the upstream. */
async function openStreams(holder: Holder, count: number) {
  const open = new Set<ServerResponse>();
  holder.upstream.answerWith((_request, response) => {
    open.add(response);
    response.on("close", () => open.delete(response));
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: first\n\n");
  });
  const ends = await Promise.all(
    Array.from({ length: count }, async () => {
      const answer = await opened(holder, "/stream");
      await once(answer, "data");
      return { end: ended(answer) };
    }),
  );
  return { open, ends: ends.map(({ end }) => end) };
}

test("a call is let through, carries the key and is on record, and none is once the token is revoked", async () => {
  const holder = await newHolderElsewhere();
  expect((await holder.call("/v1/models")).status).toBe(200);
  expect(holder.upstream.seen.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
  expect(await holder.row("/v1/models")).toMatchObject({ outcome: "ok", status: 200 });
  await holder.person.api("DELETE", `/v1/tokens/${holder.token_id}`);
  const refused = await holder.call("/v1/models");
  expect(refused.status).toBe(401);
  expect(problemIn(refused).code).toBe("invalid_token");
  expect(holder.upstream.seen).toHaveLength(1);
});

test("all streams of a token are cut on both sides by its revocation, are counted, and their rows say so", async () => {
  const holder = await newHolderElsewhere();
  const { open, ends } = await openStreams(holder, 40);
  type Receipt = { streams_cut: number; in_flight: number };
  const receipt = await holder.person.api<Receipt>("DELETE", `/v1/tokens/${holder.token_id}`);
  expect(new Set(await Promise.all(ends))).toEqual(new Set(["broken off"]));
  expect(receipt.streams_cut + receipt.in_flight).toBe(40);
  await eventually(async () => open.size === 0);
  // What the upstream had answered may still have been on its way to the vault.
  expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule: "revoked" });
});

test("a stream that ends by itself is on record as what it was", async () => {
  const holder = await newHolderElsewhere();
  const { open, ends } = await openStreams(holder, 1);
  for (const response of open) response.end("data: last\n\n");
  expect(await Promise.all(ends)).toEqual(["whole"]);
  expect(await holder.row("/stream")).toMatchObject({ outcome: "ok", status: 200 });
});
