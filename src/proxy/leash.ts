import { isolateName } from "../isolate.ts";
import { logFault } from "../problem.ts";
import { UNKNOWN_LEASE } from "../vault/calls/leashes.ts";
import { CUT, type Cutting, type Term } from "../vault/calls/telling.ts";
import type { Dispatch, Settlement } from "../vault/calls/dispatch.ts";

/** How a call learns that it must stop. `recorded` where the vault has ended its row: nothing more need be told of it. */
export type OnCut = (rule: string, recorded: boolean) => void;

const PING_MS = 2_000;
const LOST_AFTER_PINGS = 2;
const GIVE_UP_MS = 10_000;
/** A vault that was last heard from so long ago is lost, however late that is noticed: within 15 s of it the call must have ended. */
const SILENT_MS = 4_000;
const JITTER_MS = 2_000;
const LONGEST_MS = 2 ** 31 - 1;

/**
 * The leashes that this isolate holds, by connection: the vault tells one of them of all that it cuts. An invocation is woken by a promise
 * of its own, since one may not touch another's sockets and streams. Weakly: one that the runtime ends takes all that it held with it.
 */
const held = new Map<string, WeakRef<Wake>>();
const gone = new FinalizationRegistry<string>((id) => held.delete(id));

type Wake = (rule: string) => void;

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
  /** The connection's id: by this name the vault cuts it. */
  #id = "";
  #wake: Wake | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #expiry: ReturnType<typeof setTimeout> | undefined;
  #status: number | undefined;
  #lost_at: number | undefined;
  #opening: Promise<void> | undefined;
  /** Nothing is asked any more: the call has ended or was told to stop. */
  #over = false;
  /** The vault has cut the call, and ended its row in the same step. */
  #ended_there = false;

  constructor(vault: () => DurableObjectStub, dispatch: Dispatch, onCut: OnCut) {
    this.#vault = vault;
    this.#dispatch = dispatch;
    this.#onCut = onCut;
    this.#lease = dispatch.lease;
    this.#expireAt(dispatch.not_after, dispatch.expiry_rule);
  }

  /**
   * Opens the leash, asking until the vault answers or the time is up; a call that is over by then gets none. One attempt
   * at a time: a lease is good for one opening, and a second one would be told to stop.
   */
  open(wait_ms = 0): Promise<void> {
    this.#opening ??= this.#openOrStop(wait_ms).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** The upstream has answered: a cut row can say with what. */
  answered(status: number): void {
    this.#status = status;
    this.#send({ status });
  }

  /** The call has ended. True where the vault knows or was told over the leash; otherwise the caller tells it. */
  end(settlement: Settlement): boolean {
    const told = this.#ended_there || this.#send({ settle: settlement });
    this.#release(1000);
    return told;
  }

  #hold(socket: WebSocket): void {
    if (this.#over) return socket.close(1000);
    this.#socket = socket;
    const cut = Promise.withResolvers<string>();
    this.#wake = cut.resolve;
    held.set(this.#id, new WeakRef(cut.resolve));
    gone.register(cut.resolve, this.#id, cut.resolve);
    void cut.promise.then((rule) => this.#cut(socket, rule));
    let unanswered = 0;
    let heard_at = Date.now();
    socket.addEventListener("message", ({ data }) => {
      unanswered = 0;
      heard_at = Date.now();
      if (typeof data !== "string" || data === "pong") return;
      const { lease, cut, ...term } = JSON.parse(data) as { lease?: string } & Partial<Term & Cutting>;
      for (const id of cut?.leashes ?? []) held.get(id)?.deref()?.(cut?.rule ?? "");
      if (term.not_after !== undefined) this.#expireAt(term.not_after, term.expiry_rule ?? "expired");
      if (lease === undefined) return;
      // Only now does the vault hold the call: an object that breaks while it wakes has answered 101 too.
      this.#lease = lease;
      this.#lost_at = undefined;
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (code === CUT) this.#cut(socket, reason);
      if (socket !== this.#socket) return;
      this.#drop();
      if (!this.#over) this.#lost(heard_at);
    });
    this.#ping = setInterval(() => {
      if (unanswered++ < LOST_AFTER_PINGS) return socket.send("ping");
      this.#drop();
      socket.close(1001, "no answer");
      this.#lost(heard_at);
    }, PING_MS);
    if (this.#status !== undefined) this.answered(this.#status);
  }

  /** The vault has said that the call must stop, over this leash or over another call's. The leash goes when the call has ended. */
  #cut(socket: WebSocket, rule: string): void {
    if (socket !== this.#socket) return;
    this.#forget();
    // Whose lease it did not know it could not tell either: that row is still open there, if it is this call's.
    this.#ended_there = rule !== UNKNOWN_LEASE;
    this.#stop(rule);
  }

  /** All routers lose their leashes at once when an object moves, so each comes back at a moment of its own. */
  #lost(heard_at: number): void {
    this.#lost_at ??= Math.min(Date.now(), heard_at + SILENT_MS);
    if (Date.now() - this.#lost_at >= GIVE_UP_MS) return this.#stop("leash_lost");
    void this.open(Math.random() * JITTER_MS);
  }

  async #openOrStop(wait_ms: number): Promise<void> {
    for (let wait = wait_ms; !this.#over && this.#socket === undefined; wait = Math.random() * JITTER_MS) {
      if (wait > 0) await scheduler.wait(wait);
      if (this.#over) return;
      const since = this.#lost_at ?? Date.now();
      try {
        return this.#hold(await within(since + GIVE_UP_MS - Date.now(), this.#connected()));
      } catch (fault) {
        logFault("leash_not_opened", fault);
        this.#lost_at ??= since;
        if (Date.now() - this.#lost_at >= GIVE_UP_MS) return this.#stop("leash_lost");
      }
    }
  }

  async #connected(): Promise<WebSocket> {
    this.#id = crypto.randomUUID();
    const answer = await this.#vault().fetch(`https://vault/?_pk=${this.#id}`, {
      headers: {
        upgrade: "websocket",
        "x-leash-seq": String(this.#dispatch.seq),
        "x-leash-lease": this.#lease,
        "x-leash-router": isolateName(),
      },
    });
    if (answer.webSocket === null) throw new Error(`the vault answered ${answer.status}`);
    answer.webSocket.accept();
    return answer.webSocket;
  }

  /** The vault may tell another time later. Timers reach 24 days: what expires after that is looked at again. */
  #expireAt(time: number | null, rule: Term["expiry_rule"]): void {
    clearTimeout(this.#expiry);
    if (time === null || this.#over) return;
    const left = time - Date.now();
    const next = () => (left > LONGEST_MS ? this.#expireAt(time, rule) : this.#stop(rule));
    this.#expiry = setTimeout(next, Math.min(left, LONGEST_MS));
  }

  #stop(rule: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#onCut(rule, this.#ended_there);
  }

  #send(message: { status: number } | { settle: Settlement }): boolean {
    if (this.#socket?.readyState !== WebSocket.READY_STATE_OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #drop(): void {
    this.#forget();
    this.#socket = undefined;
  }

  /** Neither pings nor waits for a word any more. */
  #forget(): void {
    clearInterval(this.#ping);
    held.delete(this.#id);
    if (this.#wake !== undefined) gone.unregister(this.#wake);
    this.#wake = undefined;
  }

  #release(code: number): void {
    this.#over = true;
    clearTimeout(this.#expiry);
    const socket = this.#socket;
    this.#drop();
    socket?.close(code);
  }
}

/** The socket, or a failure once the time is up; one that comes too late is let go of. */
async function within(ms: number, opening: Promise<WebSocket>): Promise<WebSocket> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error("the vault does not answer"));
    void opening.then((socket) => socket.close(1000)).catch(() => {});
  }, ms);
  return Promise.race([opening, late.promise]).finally(() => clearTimeout(timer));
}
