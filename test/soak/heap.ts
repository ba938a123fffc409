/** What isolates hold once everything that nobody needs is thrown away, MB: the product's own, and those that play D1 and KV here. */
export type Heap = { product: number; stores: number };

type Target = { id: string; webSocketDebuggerUrl: string };
/** `backingStorageSize`: array buffers. What the runtime itself takes beside an isolate is the same for each, and left out. */
type Usage = { usedSize: number; backingStorageSize: number };

/** Asks those isolates by their debugger. Each is stopped for a moment. */
export async function heapOf(inspector: URL): Promise<Heap> {
  const targets = (await (await fetch(`http://${inspector.host}/json`)).json()) as Target[];
  const heap: Heap = { product: 0, stores: 0 };
  for (const { id, webSocketDebuggerUrl } of targets) {
    const part = id === "core:user:apilocker" ? "product" : /^(d1|kv):/.test(id) ? "stores" : undefined;
    if (part === undefined) continue;
    const { usedSize, backingStorageSize } = await usageOf(webSocketDebuggerUrl);
    heap[part] += (usedSize + backingStorageSize) / 1_048_576;
  }
  return heap;
}

async function usageOf(url: string): Promise<Usage> {
  const socket = new WebSocket(url);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  socket.addEventListener("message", ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
    if (id !== undefined) waiting.get(id)?.resolve(result);
  });
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
  socket.addEventListener("close", () => gone.reject(new Error("the debugger has gone")));
  await Promise.race([new Promise((resolve) => socket.addEventListener("open", resolve)), gone.promise]);
  const ask = (method: string): Promise<unknown> => {
    const answer = Promise.withResolvers<unknown>();
    const id = waiting.size + 1;
    waiting.set(id, answer);
    socket.send(JSON.stringify({ id, method }));
    return Promise.race([answer.promise, gone.promise]);
  };
  // Nobody needs the snapshot, but garbage is collected for it; the runtime leaves `collectGarbage` unanswered.
  await ask("HeapProfiler.takeHeapSnapshot");
  const usage = (await ask("Runtime.getHeapUsage")) as Usage;
  socket.close();
  return usage;
}
