import { DurableObject } from "cloudflare:workers";

type Bindings = { UPSTREAM: string; HUB: DurableObjectNamespace<Hub> };

const HUB = "hub";
const A_TURN = 4;

/** The least that a cut can be: one sleeping WebSocket a stream, closed a few a turn. No row, no tags, no question. */
export class Hub extends DurableObject<Bindings> {
  override fetch(): Response {
    const { 0: router, 1: kept } = new WebSocketPair();
    this.ctx.acceptWebSocket(kept);
    return new Response(null, { status: 101, webSocket: router });
  }

  async cut(): Promise<void> {
    for (const [index, socket] of this.ctx.getWebSockets().entries()) {
      socket.close(4001);
      if (index % A_TURN === A_TURN - 1) await scheduler.wait(0);
    }
  }

  override webSocketClose(): void {}
}

/** `DELETE` cuts all; a stream of events holds a WebSocket to the object and is aborted when that closes; the rest is passed on. */
export default {
  async fetch(request, env, ctx) {
    const hub = env.HUB.getByName(HUB);
    const { pathname } = new URL(request.url);
    if (request.method === "DELETE") return Response.json(await hub.cut());
    const answer = await fetch(env.UPSTREAM + pathname, { method: request.method, body: request.body });
    const { readable, writable } = new IdentityTransformStream();
    const stop = new AbortController();
    if (pathname.startsWith("/sse/")) {
      const { webSocket } = await hub.fetch("https://hub/", { headers: { upgrade: "websocket" } });
      webSocket?.addEventListener("close", () => stop.abort("cut"));
      webSocket?.accept();
    }
    ctx.waitUntil(answer.body?.pipeTo(writable, { signal: stop.signal }).catch(() => {}) ?? Promise.resolve());
    return new Response(readable, answer);
  },
} satisfies ExportedHandler<Bindings>;
