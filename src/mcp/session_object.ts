import { DurableObject } from "cloudflare:workers";
import { withPatience } from "../stores.ts";
import { BEGIN_HEADER } from "./session_wire.ts";
import type { SessionAgent } from "./session.ts";

/** Under which name the object's storage says that it holds a session. */
const BEGUN = "apilocker:begun";
const GRACE_MS = 1_000;

/**
 * One MCP session of a client of 2025 or before. What speaks is a {@link SessionAgent}; this is its door. Only the few ways in
 * that the router and the vault use are open, and an object that holds no session is left untouched: the agent, which writes
 * tables as soon as it is made, is made where a session begins or has begun (SECURITY S13, S23).
 */
export class McpSession extends DurableObject<Env> {
  #agent: Promise<SessionAgent> | undefined;
  #ended = false;

  override async fetch(request: Request): Promise<Response> {
    if (request.headers.has(BEGIN_HEADER) && !this.#ended) this.ctx.storage.kv.put(BEGUN, true);
    if (!this.#isHeld()) return new Response(null, { status: 404 });
    return (await this.#speaker()).fetch(request);
  }

  /** The vault ends the session: its streams are closed and nothing is left of it. Doing it again changes nothing. */
  async end(): Promise<void> {
    this.#ended = true;
    for (const socket of this.ctx.getWebSockets()) socket.close(1000, "session ended");
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    // What the agent still has under way must not write again to storage that is empty now; but first the vault gets its answer.
    if (this.#agent !== undefined)
      this.ctx.waitUntil(scheduler.wait(GRACE_MS).then(() => this.ctx.abort("session ended")));
  }

  override async alarm(): Promise<void> {
    if (this.#isHeld()) await (await this.#speaker()).alarm();
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (this.#isHeld()) await (await this.#speaker()).webSocketMessage?.(socket, message);
  }

  override async webSocketClose(socket: WebSocket, code: number, reason: string, clean: boolean): Promise<void> {
    if (this.#isHeld()) await (await this.#speaker()).webSocketClose?.(socket, code, reason, clean);
  }

  override async webSocketError(socket: WebSocket, error: unknown): Promise<void> {
    if (this.#isHeld()) await (await this.#speaker()).webSocketError?.(socket, error);
  }

  #isHeld(): boolean {
    return !this.#ended && this.ctx.storage.kv.get(BEGUN) === true;
  }

  #speaker(): Promise<SessionAgent> {
    this.#agent ??= import("./session.ts").then(
      ({ SessionAgent }) => new SessionAgent(this.ctx, withPatience(this.env)),
    );
    return this.#agent;
  }
}
