import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { eventsIn, firstIn, isStream } from "./events.ts";
import { errorFor, isMessage, isRequest, messagesIn, versionOf, type Id, type Message } from "./message.ts";
import { Tools } from "./tools.ts";
import { STREAM_AGAIN_MS, Unasked } from "./unasked.ts";
import { nameOf, Refused, refusedBy, Upstream } from "./upstream.ts";

const PARSE_ERROR = -32_700;
const DRAIN_MS = 10_000;
/** How often a stream that broke is taken up again without anything new in it. */
const RESUMED_AT_MOST = 5;
const UNKNOWN_END =
  "The connection broke before the answer came. Whether it was done is not known; look before you ask again.";
const NO_SESSION = "This session is over, and a new one could not be begun.";

/** Asked twice these do nothing twice: they are asked again when the connection breaks. */
const REPEATABLE = new Set([
  "initialize",
  "server/discover",
  "ping",
  "tools/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "prompts/list",
  "prompts/get",
  "completion/complete",
  "subscriptions/listen",
]);

/** How far an answer was handed on; where it broke off, what the server knows that place by. */
type Handed = { answered: boolean; last?: string | undefined; retry_ms?: number | undefined };

/**
 * Carries JSON-RPC between a client's stdio and a server's Streamable HTTP, for both eras of MCP: a message that names its
 * protocol version is on its own (2026-07-28), any other belongs to the session that `initialize` began. Messages pass as they
 * are; the bridge only adds what HTTP wants beside them. Nothing else is ever written to the client.
 */
export class Bridge {
  readonly #upstream: Upstream;
  readonly #out: Writable;
  readonly #log: (line: string) => void;
  /** Requests that wait for their answer, and how to stop them. */
  readonly #waiting = new Map<Id, { method: string; stop: AbortController }>();
  readonly #work = new Set<Promise<void>>();
  /** Notifications reach the server before whatever was said after them. */
  #order: Promise<void> = Promise.resolve();
  /** What began the session: said again when the server has lost it. */
  #hello: Message | undefined;
  #reviving: Promise<boolean> | undefined;
  readonly #unasked: Unasked;
  readonly #tools: Tools;

  constructor(upstream: Upstream, out: Writable, log: (line: string) => void) {
    this.#upstream = upstream;
    this.#out = out;
    this.#log = log;
    this.#tools = new Tools(log);
    this.#unasked = new Unasked(upstream, (message) => this.#write(message), log);
  }

  /** Until the client has closed its end; what it still waits for is answered first. */
  async run(input: Readable): Promise<void> {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      if (line.trim() === "") continue;
      const message = parse(line);
      if (message === undefined) this.#write(errorFor(null, PARSE_ERROR, "This line is not a JSON-RPC message."));
      else this.#take(message);
    }
    const timer = setTimeout(() => this.#abort(() => true), DRAIN_MS);
    // Subscriptions never end by themselves.
    this.#abort((method) => method === "subscriptions/listen");
    while (this.#work.size > 0) await Promise.allSettled(this.#work);
    clearTimeout(timer);
    this.#unasked.close();
    await this.#upstream.close();
  }

  #take(message: Message): void {
    const work = this.#order.then(() => this.#handle(message));
    const settled = work.finally(() => this.#work.delete(settled));
    this.#work.add(settled);
    if (!isRequest(message)) this.#order = work;
  }

  async #handle(message: Message): Promise<void> {
    if (message.method === "notifications/cancelled" && this.#cancel(message)) return;
    if (message.method === "initialize") this.#hello = message;
    const stop = new AbortController();
    if (isRequest(message)) this.#waiting.set(message.id, { method: message.method, stop });
    try {
      await this.#carry(message, stop.signal);
      if (message.method === "notifications/initialized") this.#unasked.open();
    } catch (fault) {
      if (stop.signal.aborted) return;
      const { code, message: said } =
        fault instanceof Refused ? fault : new Refused(`The bridge failed: ${nameOf(fault)}`);
      this.#log(said);
      if (isRequest(message)) this.#write(errorFor(message.id, code, said));
    } finally {
      if (isRequest(message)) this.#waiting.delete(message.id);
    }
  }

  /** Over HTTP a modern request is cancelled by letting go of its answer; a session is told. */
  #cancel({ params }: Message): boolean {
    const id = params?.requestId as Id;
    const stop = this.#waiting.get(id)?.stop;
    if (stop === undefined) return this.#upstream.session === undefined;
    if (this.#upstream.session !== undefined) return false;
    stop.abort();
    return true;
  }

  /** Sends a message until it is answered; through a restart where asking twice does no harm. */
  async #carry(message: Message, signal: AbortSignal): Promise<void> {
    for (let acknowledged = false; ;) {
      const session = this.#upstream.session;
      const response = await this.#upstream.post(message, signal, this.#tools.headersOf(message));
      if (
        response.status === 404 &&
        session !== undefined &&
        versionOf(message) === undefined &&
        message.method !== "initialize"
      ) {
        await response.body?.cancel();
        if (await this.#revive(session)) continue;
        throw new Refused(NO_SESSION);
      }
      await this.#upstream.assertAnswer(response, isRequest(message));
      if (message.method === "initialize") this.#upstream.begin(response);
      const handed = await this.#hand(message, response, acknowledged, signal);
      if (handed.answered || !isRequest(message) || signal.aborted || (await this.#resume(message, handed, signal)))
        return;
      if (!REPEATABLE.has(message.method)) throw new Refused(UNKNOWN_END);
      this.#log(`the connection broke; ${message.method} is asked again`);
      acknowledged = true;
      await this.#upstream.pause(signal);
    }
  }

  /** Takes up a session's stream where it broke off, if its server keeps what comes after (2025-11-25, Resumability). */
  async #resume(message: Message, from: Handed, signal: AbortSignal): Promise<boolean> {
    let { last, retry_ms } = from;
    for (let tries = 0; last !== undefined && versionOf(message) === undefined && tries < RESUMED_AT_MOST; tries++) {
      await this.#upstream.pause(signal, retry_ms ?? STREAM_AGAIN_MS);
      const response = await this.#upstream.listen(last, signal);
      if (!response.ok) {
        await response.body?.cancel();
        return false;
      }
      const handed = await this.#hand(message, response, false, signal);
      if (handed.answered || signal.aborted) return true;
      if (handed.last !== undefined && handed.last !== last) tries = 0;
      last = handed.last ?? last;
      retry_ms = handed.retry_ms ?? retry_ms;
    }
    return false;
  }

  /** Hands on what an answer says, to the request's own answer. */
  async #hand(message: Message, response: Response, acknowledged: boolean, signal: AbortSignal): Promise<Handed> {
    if (response.body === null || response.status === 202 || response.status === 204) return { answered: true };
    if (!isStream(response)) {
      this.#handWhole(message, await response.text(), response.status);
      return { answered: true };
    }
    let last: string | undefined;
    let retry_ms: number | undefined;
    try {
      for await (const event of eventsIn(response.body)) {
        last = event.id ?? last;
        retry_ms = event.retry_ms ?? retry_ms;
        for (const one of messagesIn(event.data)) {
          // A subscription that was renewed behind the client's back is not news to it.
          if (acknowledged && one.method === "notifications/subscriptions/acknowledged") continue;
          this.#pass(one, message);
          if (isRequest(message) && one.method === undefined && one.id === message.id) return { answered: true };
        }
      }
    } catch (fault) {
      if (!signal.aborted) this.#log(`a stream broke: ${nameOf(fault)}`);
    }
    return { answered: !isRequest(message), last, retry_ms };
  }

  /**
   * An answer in one piece. A refusal of the whole request may name no id, or be no JSON-RPC at all (403 for a missing scope); whoever
   * asked waits for an answer to their own.
   */
  #handWhole(message: Message, text: string, status: number): void {
    if (!isRequest(message)) return this.#log(refusedBy(text, status).message);
    const own = messagesIn(text).map((one) => (one.id === null ? { ...one, id: message.id } : one));
    if (!own.some(({ id }) => id === message.id)) throw refusedBy(text, status);
    for (const one of own) this.#pass(one, message);
  }

  #pass(one: Message, asked: Message): void {
    if (asked.method === "initialize" && one.id === asked.id) this.#upstream.agree(one);
    this.#write(one.id === asked.id ? this.#tools.listed(asked, one) : one);
  }

  /** Begins a new session in place of one that the server has lost; the client need not know. One at a time. */
  #revive(lost: string): Promise<boolean> {
    if (this.#upstream.session !== lost) return Promise.resolve(true);
    this.#reviving ??= this.#beginAgain().finally(() => (this.#reviving = undefined));
    return this.#reviving;
  }

  async #beginAgain(): Promise<boolean> {
    if (this.#hello === undefined) return false;
    this.#upstream.forget();
    const signal = AbortSignal.timeout(30_000);
    const response = await this.#upstream.post({ ...this.#hello, id: "apilocker-again" }, signal);
    await this.#upstream.assertAnswer(response, true);
    this.#upstream.begin(response);
    const answer = await firstIn(response);
    if (answer?.result === undefined) return false;
    this.#upstream.agree(answer);
    await (await this.#upstream.post({ jsonrpc: "2.0", method: "notifications/initialized" }, signal)).body?.cancel();
    this.#log("the server had lost the session; a new one was begun");
    this.#unasked.open();
    return true;
  }

  #abort(which: (method: string) => boolean): void {
    for (const { method, stop } of this.#waiting.values()) if (which(method)) stop.abort();
  }

  #write(message: Message): void {
    this.#out.write(`${JSON.stringify(message)}\n`);
  }
}

function parse(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isMessage(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
