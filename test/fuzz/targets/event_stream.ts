import assert from "node:assert/strict";
import { eventsIn, type Event } from "../../../src/cli/bridge/events.ts";
import { headerValue, isRequest, messagesIn, mirroredHeaders } from "../../../src/cli/bridge/message.ts";
import type { Target } from "../fuzz.ts";

/** Events as the page on them says it (WHATWG HTML, "interpreting an event stream"), of a text that is there whole. */
function referenceEvents(text: string): Event[] {
  const events: Event[] = [];
  let [id, retry_ms, data]: [string | undefined, number | undefined, string[]] = [undefined, undefined, []];
  const lines = text.split(/\r\n|\n|\r/);
  // What the end breaks off was never sent.
  for (const line of lines.slice(0, -1)) {
    if (line === "") {
      if (data.length > 0 || id !== undefined || retry_ms !== undefined)
        events.push({ id, data: data.join("\n"), retry_ms });
      [id, retry_ms, data] = [undefined, undefined, []];
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    if (field === "id") id = value;
    if (field === "retry" && /^\d{1,7}$/.test(value)) retry_ms = Number(value);
  }
  return events;
}

async function eventsOf(text: string, sizes: string): Promise<Event[]> {
  const bytes = Buffer.from(text);
  let [at, turn] = [0, 0];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const size = 1 + ((sizes.charCodeAt(turn++ % Math.max(1, sizes.length)) || 0) % 61);
      controller.enqueue(bytes.subarray(at, at + size));
      at += size;
    },
  });
  const events: Event[] = [];
  for await (const event of eventsIn(body)) events.push(event);
  return events;
}

/** As a header's value reads back, by the page on it (2026-07-28, Streamable HTTP). */
const decoded = (value: string) => {
  const [, base64] = /^=\?base64\?(.*)\?=$/.exec(value) ?? [];
  return base64 === undefined ? value : Buffer.from(base64, "base64").toString();
};

/** Of any text and any chunks, what a bridge reads are the events that are in it, and JSON-RPC; and what it repeats in a header reads back. */
export const target: Target = {
  seeds: [
    ['data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n: hi\nid: 3\nretry: 10\ndata: a\ndata:b\n\n', "\x05", "list_keys"],
    ['data\r\n\r\nid:x\rdata: y\r\rdata: {"jsonrpc":"2.0","method":"a"}\n\r\n', "\x01", "=?base64?eA==?="],
    ["event: message\ndata: é😀\n\n\n\n", "\x03\x01", "é"],
    ['retry: 1\r\n\ndata: [{"jsonrpc":"2.0","id":1,"method":"a"},1,null,{"jsonrpc":"1.0"}]\n\n', "\x02", " a"],
  ],
  words: [
    '"jsonrpc":"2.0"',
    '"id":',
    '"params":',
    '"_meta":{}',
    "\r\n",
    "\r",
    "\n\n",
    "data: ",
    "id: ",
    "retry: ",
    "=?base64?eA==?=",
  ],
  async run([stream = "", sizes = "", name = ""]) {
    const whole = await eventsOf(stream, "\x3c");
    assert.deepEqual(await eventsOf(stream, sizes), whole);
    assert.deepEqual(whole, referenceEvents(stream.toWellFormed().replace(/^\ufeff/, "")));
    assert.equal(decoded(headerValue(name.toWellFormed())), name.toWellFormed());
    for (const message of whole.flatMap(({ data }) => messagesIn(data))) {
      assert.equal(message.jsonrpc, "2.0");
      if (!isRequest(message)) continue;
      for (const value of Object.values(mirroredHeaders(message))) assert.ok(typeof value === "string" && value !== "");
    }
  },
};
