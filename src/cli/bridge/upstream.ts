import { USER_AGENT } from "../version.ts";
import { mirroredHeaders, type Message } from "./message.ts";

/** Codes of our own stand outside what JSON-RPC and MCP keep for themselves; these are HTTP's. */
const UNREACHABLE = 503;
const NOT_SIGNED_IN = 401;

/** A request of ours: its headers are a plain list. */
type Sent = { method?: string; headers: Record<string, string>; body?: string; signal: AbortSignal };

/** Why a message was not answered, in words for a person who reads them in an MCP client. */
export class Refused extends Error {
  readonly code: number;

  constructor(message: string, code = UNREACHABLE) {
    super(message);
    this.code = code;
  }
}

/** Where to send messages, and as whom; asked again when the token is refused, since somebody may have signed in anew. */
export type Door = { url: string; token: () => Promise<string | undefined> };

const PATIENCE_MS = 60_000;
const WAIT_MS = 250;
const WAIT_AT_MOST_MS = 5_000;

/** The server's end: one POST a message, the session that belongs to them, and waiting out a restart. */
export class Upstream {
  readonly #door: Door;
  #session: string | undefined;
  #version: string | undefined;
  #token: string | undefined;

  constructor(door: Door) {
    this.#door = door;
  }

  /** The session that `initialize` began, if the server keeps one. */
  get session(): string | undefined {
    return this.#session;
  }

  begin({ headers }: Response): void {
    this.#session = headers.get("mcp-session-id") ?? undefined;
  }

  /** The version that both sides have agreed on is said with everything that follows. */
  agree({ result }: Message): void {
    const version = (result as { protocolVersion?: unknown } | undefined)?.protocolVersion;
    this.#version = typeof version === "string" ? version : undefined;
  }

  forget(): void {
    this.#session = undefined;
    this.#version = undefined;
  }

  post(message: Message, signal: AbortSignal, repeated: Record<string, string> = {}): Promise<Response> {
    const fresh = message.method === "initialize";
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(fresh ? {} : this.#ofSession()),
      ...mirroredHeaders(message),
      ...repeated,
    };
    return this.#send({ method: "POST", headers, body: JSON.stringify(message), signal });
  }

  listen(last: string | undefined, signal: AbortSignal): Promise<Response> {
    const resumed = last === undefined ? {} : { "last-event-id": last };
    return this.#send({ headers: { accept: "text/event-stream", ...this.#ofSession(), ...resumed }, signal });
  }

  /** Ends the session. The server would also let it run out. */
  async close(): Promise<void> {
    if (this.#session === undefined) return;
    await this.#send({ method: "DELETE", headers: this.#ofSession(), signal: AbortSignal.timeout(2_000) }).catch(
      () => {},
    );
  }

  /** Refuses an answer that holds no JSON-RPC; one that does is the server's own word, whatever its status. */
  async assertAnswer(response: Response, expected: boolean): Promise<void> {
    const type = response.headers.get("content-type") ?? "";
    if (response.status === NOT_SIGNED_IN) {
      await response.body?.cancel();
      throw new Refused(
        "This device is not signed in any more: its sign-in was revoked or has expired. Run `apilocker login`, then try again.",
        NOT_SIGNED_IN,
      );
    }
    if (response.ok || /^application\/json\b/i.test(type)) {
      if (expected && (response.status === 202 || response.status === 204))
        throw new Refused("The server took the request and did not answer it.");
      return;
    }
    throw refusedBy(await response.text(), response.status);
  }

  pause(signal: AbortSignal, ms = WAIT_MS): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    });
  }

  #ofSession(): Record<string, string> {
    return {
      ...(this.#session === undefined ? {} : { "mcp-session-id": this.#session }),
      ...(this.#version === undefined ? {} : { "mcp-protocol-version": this.#version }),
    };
  }

  /**
   * One request. A server that cannot be reached, or says that it cannot answer now, has done nothing: it is asked again for a
   * minute. A token that is refused is looked up once more.
   */
  async #send(init: Sent): Promise<Response> {
    const deadline = Date.now() + PATIENCE_MS;
    for (let wait_ms = WAIT_MS; ; wait_ms = Math.min(wait_ms * 2, WAIT_AT_MOST_MS)) {
      this.#token ??= await this.#door.token();
      if (this.#token === undefined)
        throw new Refused("This device is not signed in. Run `apilocker login`, then try again.", NOT_SIGNED_IN);
      const said = this.#token;
      let response: Response | undefined;
      try {
        const headers = { ...init.headers, authorization: `Bearer ${said}`, "user-agent": USER_AGENT };
        response = await fetch(new URL("/v1/mcp", this.#door.url), { ...init, headers, redirect: "manual" });
      } catch (fault) {
        const { code = "" } = (fault as { cause?: { code?: string } }).cause ?? {};
        // Only a connection that was never made proves that nothing was done.
        if (init.signal.aborted) throw fault;
        if (!UNMADE.has(code) && init.method === "POST" && !isHarmless(init.body)) throw new Refused(LOST);
        if (Date.now() > deadline)
          throw new Refused(`${this.#door.url} cannot be reached (${code || "no connection"}).`);
      }
      if (response?.status === NOT_SIGNED_IN) {
        const now = await this.#door.token();
        this.#token = now;
        if (now === undefined || now === said) return response;
        await response.body?.cancel();
        continue;
      }
      if (response !== undefined && (![502, 503, 504].includes(response.status) || Date.now() > deadline))
        return response;
      await response?.body?.cancel();
      await this.pause(init.signal, wait_ms);
      if (init.signal.aborted) throw new Refused("Canceled.");
    }
  }
}

const LOST =
  "The connection broke before the answer came. Whether it was done is not known; look before you ask again.";
const UNMADE = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** Everything but a tool's call can be asked twice. */
function isHarmless(body: unknown): boolean {
  return typeof body === "string" && (JSON.parse(body) as Message).method !== "tools/call";
}

/** A refusal that is no JSON-RPC: a problem (RFC 9457) says why, and so does OAuth (RFC 6750 §3.1). */
export function refusedBy(text: string, status: number): Refused {
  return new Refused(whyIn(text) ?? `The locker answered ${status}.`, status);
}

function whyIn(text: string): string | undefined {
  try {
    const { detail, title, error_description } = JSON.parse(text) as Record<string, string | undefined>;
    return detail ?? title ?? error_description;
  } catch {
    return undefined;
  }
}

/** What went wrong, in one word: the network's code, where it has one. */
export function nameOf(fault: unknown): string {
  const { name = "fault", cause } = fault as { name?: string; cause?: { code?: string } };
  return cause?.code ?? name;
}
