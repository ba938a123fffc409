import { messagesIn, type Message } from "./message.ts";

/** One event of a stream (the part of Server-Sent Events that MCP uses). */
export type Event = { id: string | undefined; data: string; retry_ms: number | undefined };

/** Reads events as they come. Comments, which only keep the line alive, are no events. */
export async function* eventsIn(body: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    // A line's end may be cut in two: a lone CR at the end waits for its LF.
    for (
      let end = /\r\n\r\n|\n\n|\r\r(?!\n|$)/.exec(text);
      end !== null;
      end = /\r\n\r\n|\n\n|\r\r(?!\n|$)/.exec(text)
    ) {
      const event = eventIn(text.slice(0, end.index));
      text = text.slice(end.index + end[0].length);
      if (event !== undefined) yield event;
    }
  }
}

function eventIn(block: string): Event | undefined {
  let id: string | undefined;
  let retry_ms: number | undefined;
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
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
