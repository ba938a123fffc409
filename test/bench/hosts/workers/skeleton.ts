import { DurableObject } from "cloudflare:workers";

type Bindings = { UPSTREAM: string; ROWS: DurableObjectNamespace<Rows> };

/** One durable row a call: the answer leaves the object only when the row is on disk. */
export class Rows extends DurableObject<Bindings> {
  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env);
    ctx.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS call (seq INTEGER PRIMARY KEY, at INTEGER, method TEXT, path TEXT)",
    );
  }

  record(method: string, path: string): number {
    const insert = "INSERT INTO call (at, method, path) VALUES (?, ?, ?) RETURNING seq";
    return this.ctx.storage.sql.exec<{ seq: number }>(insert, Date.now(), method, path).one().seq;
  }
}

export default {
  async fetch(request, env, ctx) {
    const { pathname, search } = new URL(request.url);
    await env.ROWS.getByName(request.headers.get("x-object") ?? "0").record(request.method, pathname);
    const answer = await fetch(env.UPSTREAM + pathname + search, request);
    const { readable, writable } = new IdentityTransformStream();
    ctx.waitUntil(answer.body?.pipeTo(writable) ?? Promise.resolve());
    return new Response(readable, answer);
  },
} satisfies ExportedHandler<Bindings>;
