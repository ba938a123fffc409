import { DurableObject } from "cloudflare:workers";

type Bindings = { UPSTREAM: string; HUB: DurableObjectNamespace<Hub> };

const HUB = "hub";
const A_TURN = 8;
/** As the product ends an invocation: without a line in the log. */
const LOST = { retryable: true };

/** Wakes the streams of this isolate, the oldest first. */
const held: (() => void)[] = [];

/** The least that a cut can be: one sleeping WebSocket a stream, and one word to their isolate for a few of them. No row, no tags, no question. */
export class Hub extends DurableObject<Bindings> {
  override fetch(): Response {
    const { 0: router, 1: kept } = new WebSocketPair();
    this.ctx.acceptWebSocket(kept);
    return new Response(null, { status: 101, webSocket: router });
  }

  async cut(): Promise<void> {
    const [newest, ...others] = this.ctx.getWebSockets();
    for (let left = others.length + 1; left > 0; left -= A_TURN) {
      newest?.send(String(A_TURN));
      await scheduler.wait(1);
    }
  }

  override webSocketClose(): void {}
}

/** `DELETE` cuts all; a stream of events holds a WebSocket to the object and ends with its invocation when it is woken; the rest is passed on. */
export default {
  async fetch(request, env, ctx) {
    const hub = env.HUB.getByName(HUB);
    const { pathname } = new URL(request.url);
    if (request.method === "DELETE") return Response.json(await hub.cut());
    const answer = await fetch(env.UPSTREAM + pathname, { method: request.method, body: request.body });
    const { readable, writable } = new IdentityTransformStream();
    ctx.waitUntil(answer.body?.pipeTo(writable).catch(() => {}) ?? Promise.resolve());
    if (pathname.startsWith("/sse/")) {
      const { webSocket } = await hub.fetch("https://hub/", { headers: { upgrade: "websocket" } });
      webSocket?.addEventListener("message", ({ data }) => {
        for (const wake of held.splice(0, Number(data))) wake();
      });
      webSocket?.accept();
      void new Promise<void>((wake) => held.push(wake)).then(() => ctx.abort(LOST));
    }
    return new Response(readable, answer);
  },
} satisfies ExportedHandler<Bindings>;
