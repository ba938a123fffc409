import type { ProxyCall } from "./call.ts";
import { guard } from "./headers.ts";
import type { Scrubber } from "./scrub.ts";
import { Unanswered } from "./unanswered.ts";
import { websocketCaps } from "./websocket_caps.ts";

/** Policy violation (RFC 6455 §7.4.1): a cap of CONTRACT §4 was passed. */
const OVER_CAP = 1008;
/** Try again later (RFC 6455's registry): the reader has said nothing for too long. */
const AGAIN = 1013;
/** Never sent, these say what came: a close without a code, or none at all (RFC 6455 §7.4.1). */
const [NO_CODE, ABNORMAL] = [1005, 1006];
/** How long an upstream may take to say goodbye once its client has, and a row's last word to leave. */
const [GOODBYE_MS, LAST_WORD_MS] = [10_000, 100];
/** A reason has at most 123 bytes (RFC 6455 §5.5), some of which a letter that is cut may take. */
const REASON_BYTES = 120;
/** The decision that let the call through no longer stands. */
const NOT_ALLOWED = 1008;

/** `scrubber`: for messages, where the key says so; `reasons`: for why the upstream closes, which is said like an error. */
type RelayWishes = {
  offered: readonly string[];
  scrubber: Scrubber | undefined;
  reasons: Scrubber;
  drop: () => void;
};

/**
 * Relays a WebSocket through a pair of our own: a socket handed straight back would drop the invocation, and nobody would
 * hear a cut (SECURITY S5). The runtime tells no buffered amount, so each direction is metered instead, and bounded by what its
 * reader has not answered.
 */
export function relay(
  call: ProxyCall,
  upstream: Response,
  headers: Headers,
  { offered, scrubber, reasons, drop }: RelayWishes,
): { response: Response; done: Promise<void> } {
  const far = upstream.webSocket as WebSocket;
  const { 0: handed, 1: near } = new WebSocketPair();
  // The default is "blob" from 2026-03-17 on, and a Blob could only be passed on after an await.
  near.binaryType = far.binaryType = "arraybuffer";
  near.accept({ allowHalfOpen: true });
  far.accept({ allowHalfOpen: true });

  let told: Promise<void> | undefined;
  const finish = (outcome: "ok" | "failed" | "canceled", rule?: string) => {
    to_far.leaves();
    to_near.leaves();
    told ??= call.end({ outcome, rule, bytes_in: up.bytes, bytes_out: down.bytes });
  };
  const endBoth = (code: number, reason: string) => {
    close(near, code, reason);
    close(far, code, reason);
  };
  const overCap = () => {
    endBoth(OVER_CAP, "too much");
    finish("failed", "websocket_cap");
  };
  const silent = () => {
    endBoth(AGAIN, "the reader is silent");
    finish("failed", "websocket_silent");
  };
  // What waits for a reader that takes nothing, not even the close, goes only with the whole invocation.
  const dropped = Promise.withResolvers<void>();
  const dropBoth = () => {
    finish("failed", "websocket_silent");
    void Promise.resolve(told)
      .catch(() => {})
      .then(() => scheduler.wait(LAST_WORD_MS))
      .then(drop);
    dropped.resolve();
  };
  const ways = [call.vault_id, silent, dropBoth] as const;
  const [to_far, to_near] = [new Unanswered(...ways), new Unanswered(...ways)];
  near.addEventListener("message", () => to_near.heard());
  far.addEventListener("message", () => to_far.heard());
  /** Whoever has closed may have left much unread. */
  const left = async (socket: WebSocket, way: Unanswered) => {
    await goneOf(socket);
    if (way.hasMuch) await dropped.promise;
    way.ended();
  };
  const over: Promise<unknown> = Promise.race([Promise.all([left(near, to_near), left(far, to_far)]), dropped.promise]);
  const letGo = async () => {
    await over;
    to_near.ended();
    to_far.ended();
  };
  // A client that has gone waits for nobody. One that still reads what the upstream has said before it closed may take its time.
  const waitForFar = async () => {
    await goneOf(near);
    const late = setTimeout(dropBoth, GOODBYE_MS);
    await over;
    clearTimeout(late);
  };
  void letGo();
  void waitForFar();
  const up = pump(near, far, to_far, {}, overCap, (code) => finish(code === ABNORMAL ? "canceled" : "ok"));
  const scrubbers = { scrubber, reasons };
  const down = pump(far, near, to_near, scrubbers, overCap, (code) => finish(code === ABNORMAL ? "failed" : "ok"));
  const cut = () => {
    endBoth(NOT_ALLOWED, "revoked");
    finish("ok");
  };
  call.stopped.addEventListener("abort", cut);
  if (call.stopped.aborted) cut();
  const answer = guard(headers);
  const protocol = upstream.headers.get("sec-websocket-protocol");
  // Only one that the client has offered: another could be the credential, placed there for the upstream alone.
  if (protocol !== null && offered.includes(protocol)) answer.set("sec-websocket-protocol", protocol);
  const response = new Response(null, { status: 101, webSocket: handed, headers: answer });
  return { response, done: over.then(() => told) };
}

/** Passes messages on, scrubbed where asked, and counts them; tells when a cap is passed, and with which code the sender has closed. */
function pump(
  from: WebSocket,
  to: WebSocket,
  unanswered: Unanswered,
  { scrubber, reasons }: { scrubber?: Scrubber | undefined; reasons?: Scrubber },
  overCap: () => void,
  ended: (code: number) => void,
): { bytes: number } {
  const count = { bytes: 0 };
  const isWithin = websocketCaps();
  from.addEventListener("message", ({ data }) => {
    const size = typeof data === "string" ? Buffer.byteLength(data) : (data as ArrayBuffer).byteLength;
    count.bytes += size;
    if (!isWithin(size, Date.now())) return overCap();
    if (to.readyState !== WebSocket.READY_STATE_OPEN) return;
    if (!unanswered.maySend(size)) return;
    if (scrubber === undefined) to.send(data as string | ArrayBuffer);
    else to.send(typeof data === "string" ? scrubber.text(data) : scrubber.bytes(Buffer.from(data as ArrayBuffer)));
  });
  from.addEventListener("close", ({ code, reason }) => {
    close(to, code, reasons === undefined ? reason : scrubbed(reason, reasons));
    close(from, code, reason);
    ended(code);
  });
  from.addEventListener("error", () => {
    close(to, 1011, "the other side broke");
    ended(ABNORMAL);
  });
  return count;
}

/** What stands in the place of a short credential may be longer than it. */
function scrubbed(reason: string, scrubber: Scrubber): string {
  const text = scrubber.text(reason);
  return text === reason ? reason : Buffer.from(text).subarray(0, REASON_BYTES).toString();
}

/** Resolves when the socket has closed, in order or not. */
function goneOf(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.addEventListener("close", () => resolve());
    socket.addEventListener("error", () => resolve());
  });
}

function close(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState === WebSocket.READY_STATE_CLOSED) return;
  const sendable = code >= 1000 && code <= 4999 && ![1004, NO_CODE, ABNORMAL, 1015].includes(code);
  try {
    if (sendable) socket.close(code, reason);
    else if (code === NO_CODE) socket.close();
    else socket.close(1001, "");
  } catch {
    // Closed by the other side in the meantime.
  }
}
