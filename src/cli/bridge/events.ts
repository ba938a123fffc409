/** One event of a stream (the part of Server-Sent Events that MCP uses). */
export type Event = { id: string | undefined; data: string };

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
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "data") data.push(value);
    if (field === "id") id = value;
  }
  if (data.length === 0 && id === undefined) return undefined;
  return { id, data: data.join("\n") };
}
