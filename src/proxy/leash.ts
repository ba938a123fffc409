import { CUT } from "../vault/leashes.ts";
import type { Dispatch, Settlement } from "../vault/gate.ts";

/** How a call learns that it must stop. */
export type OnCut = (rule: string) => void;

const PING_MS = 2_000;
const LOST_AFTER_PINGS = 2;
const GIVE_UP_MS = 10_000;
const JITTER_MS = 2_000;

/**
 * The router's end of a leash: a connection to the vault that lives as long as the call. Closed by the vault with 4001 it
 * means stop; lost in any other way it is asked for again, and where that fails for ten seconds the call is stopped too
 * (SECURITY S6). Nothing of the client's request goes into it.
 */
export class Leash {
  readonly #vault: () => DurableObjectStub;
  readonly #dispatch: Dispatch;
  readonly #onCut: OnCut;
  #lease: string;
  #socket: WebSocket | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #status: number | undefined;
  #lost_at: number | undefined;
  #over = false;

  constructor(vault: () => DurableObjectStub, dispatch: Dispatch, onCut: OnCut) {
    this.#vault = vault;
    this.#dispatch = dispatch;
    this.#onCut = onCut;
    this.#lease = dispatch.lease;
    if (dispatch.not_after !== null) {
      this.#expiry = setTimeout(() => this.#stop("expired"), Math.min(dispatch.not_after - Date.now(), 2 ** 31 - 1));
    }
  }

  /** Opens the leash; a call that is over by then gets none. */
  async open(): Promise<void> {
    if (this.#over || this.#socket !== undefined) return;
    try {
      const answer = await this.#vault().fetch(`https://vault/?_pk=${crypto.randomUUID()}`, {
        headers: { upgrade: "websocket", "x-leash-seq": String(this.#dispatch.seq), "x-leash-lease": this.#lease },
      });
      const socket = answer.webSocket;
      if (socket === null) throw new Error(`the vault answered ${answer.status}`);
      socket.accept();
      this.#hold(socket);
    } catch (fault) {
      console.warn(JSON.stringify({ event: "leash_not_opened", error: String(fault) }));
      await this.#askAgain();
    }
  }

  /** The upstream has answered: a cut row can say with what. */
  answered(status: number): void {
    this.#status = status;
    this.#send({ status });
  }

  /** The call has ended. True where the vault was told over the leash; otherwise the caller tells it. */
  end(settlement: Settlement): boolean {
    const told = this.#send({ settle: settlement });
    this.#release(1000);
    return told;
  }

  #hold(socket: WebSocket): void {
    if (this.#over) return socket.close(1000);
    this.#socket = socket;
    this.#lost_at = undefined;
    let unanswered = 0;
    socket.addEventListener("message", ({ data }) => {
      unanswered = 0;
      if (typeof data === "string" && data !== "pong") this.#lease = (JSON.parse(data) as { lease: string }).lease;
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket !== this.#socket) return;
      this.#drop();
      if (code === CUT) this.#stop(reason);
      else if (!this.#over) void this.#askAgain();
    });
    this.#ping = setInterval(() => {
      if (unanswered++ < LOST_AFTER_PINGS) return socket.send("ping");
      this.#drop();
      socket.close(1001, "no answer");
      void this.#askAgain();
    }, PING_MS);
    if (this.#status !== undefined) this.answered(this.#status);
  }

  async #askAgain(): Promise<void> {
    this.#lost_at ??= Date.now();
    if (Date.now() - this.#lost_at >= GIVE_UP_MS) return this.#stop("leash_lost");
    await scheduler.wait(Math.random() * JITTER_MS);
    await this.open();
  }

  #stop(rule: string): void {
    if (this.#over) return;
    this.#onCut(rule);
  }

  #send(message: { status: number } | { settle: Settlement }): boolean {
    if (this.#socket?.readyState !== WebSocket.READY_STATE_OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #drop(): void {
    clearInterval(this.#ping);
    this.#socket = undefined;
  }

  #release(code: number): void {
    this.#over = true;
    clearTimeout(this.#expiry);
    const socket = this.#socket;
    this.#drop();
    socket?.close(code);
  }
}
