import { messagesIn, type Message } from "./message.ts";

/** One event of a stream (the part of Server-Sent Events that MCP uses). */
export type Event = { id: string | undefined; data: string; retry_ms: number | undefined };

const LINE_END = /\r\n|\n|\r/;

/** Reads events as they come. Comments, which only keep the line alive, are no events. */
export async function* eventsIn(body: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  let begun = "";
  let block: string[] = [];
  let after_cr = false;
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    const text = decoder.decode(chunk, { stream: true });
    if (text === "") continue;
    // A line's end may be cut in two: the line ended with its CR, and a LF that comes now says nothing.
    const lines = (after_cr && text.startsWith("\n") ? text.slice(1) : text).split(LINE_END);
    after_cr = text.endsWith("\r");
    const left = lines.pop() ?? "";
    for (const line of lines) {
      const whole = begun + line;
      begun = "";
      if (whole !== "") {
        block.push(whole);
        continue;
      }
      const event = eventIn(block);
      block = [];
      if (event !== undefined) yield event;
    }
    begun += left;
  }
}

function eventIn(block: readonly string[]): Event | undefined {
  let id: string | undefined;
  let retry_ms: number | undefined;
  const data: string[] = [];
  for (const line of block) {
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "data") data.push(value);
    if (field === "id") id = value;
    if (field === "retry" && /^\d{1,7}$/.test(value)) retry_ms = Number(value);
  }
  if (data.length === 0 && id === undefined && retry_ms === undefined) return undefined;
  return { id, data: data.join("\n"), retry_ms };
}

export function isStream({ headers }: Response): boolean {
  return /^text\/event-stream\b/i.test(headers.get("content-type") ?? "");
}

/** The first message of an answer, streamed or not. */
export async function firstIn(response: Response): Promise<Message | undefined> {
  if (response.body === null) return undefined;
  if (!isStream(response)) return messagesIn(await response.text())[0];
  for await (const { data } of eventsIn(response.body)) {
    const [message] = messagesIn(data);
    if (message !== undefined) return message;
  }
  return undefined;
}
