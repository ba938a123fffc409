const EVENT = new TextEncoder().encode(
  'data: {"choices":[{"index":0,"delta":{"content":"."},"finish_reason":null}]}\n\n',
);

/** Stands between a target and the network: `/sse/{chunks}/{gap in ms}/…` is answered here, by no socket; everything else is passed on. */
export default {
  fetch(request, _env, ctx) {
    const [, what, chunks, gap_ms] = new URL(request.url).pathname.split("/");
    if (what !== "sse") return fetch(request);
    const { readable, writable } = new IdentityTransformStream();
    ctx.waitUntil(send(writable, Number(chunks), Number(gap_ms)).catch(() => {}));
    return new Response(readable, { headers: { "content-type": "text/event-stream" } });
  },
} satisfies ExportedHandler;

/** Until all are sent; rejects as soon as the reader has gone. */
async function send(writable: WritableStream<Uint8Array>, chunks: number, gap_ms: number): Promise<void> {
  const writer = writable.getWriter();
  for (let left = chunks; left > 0; left--) {
    await writer.write(EVENT);
    await Promise.race([scheduler.wait(gap_ms), writer.closed]);
  }
  await writer.close();
}
