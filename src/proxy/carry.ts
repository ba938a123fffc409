import { Problem } from "../problem.ts";
import type { ProxyCall } from "./call.ts";
import { drop, type Waiting } from "./errand.ts";
import type { Metered } from "../vault/calls/spending.ts";
import type { Scrubber } from "./scrub.ts";
import { watched, type UsageReader } from "./usage.ts";

/** Statuses that have no body (Fetch §2.2.6). */
const BODILESS = new Set([101, 103, 204, 205, 304]);
/** Codings that the runtime has already taken off when the body is read; it knows them in this spelling only. */
const DECODED = new Set(["gzip", "br"]);

/** What a server sends before it hears back (RFC 6928 §2): an answer no longer than this comes with its head, and a pipe for it costs more. */
const ONE_FLIGHT_BYTES = 14_600;

/** How an answer goes: searched or not, and by whom its tokens are counted where a budget pays. */
type Lane = {
  scrubber: Scrubber | undefined;
  request: Request;
  usage: UsageReader | undefined;
  /** The invocation, where it may be ended there and then; undefined where somebody else's work goes on in it. */
  ctx: Waiting | undefined;
};

/**
 * Answers the client with the upstream's body, in one of two lanes (DESIGN D15): moved by the runtime with no JavaScript per
 * chunk, or read and scrubbed. Never the upstream's own body: the invocation must outlive the headers, or nobody would hear a
 * cut (SECURITY S5). The body's end settles the call. A short one is handed on once the whole of it is there; rejects where that never is.
 */
export async function carry(
  call: ProxyCall,
  upstream: Response,
  headers: Headers,
  { scrubber, request, usage, ctx }: Lane,
): Promise<{ response: Response; done: Promise<void> }> {
  const { status } = upstream;
  const ok = { outcome: "ok", bytes_in: saidLength(request.headers) } as const;
  if (status < 200 || status > 599) throw new Problem("upstream_refused", "The upstream answered with no HTTP status.");
  const coding = upstream.headers.get("content-encoding") ?? "";
  const decoded = DECODED.has(coding);
  if (decoded) headers.delete("content-encoding");
  const known = decoded || scrubber !== undefined ? undefined : saidLength(upstream.headers);
  if (request.method !== "HEAD" || decoded) headers.delete("content-length");
  const mayHaveBody = request.method !== "HEAD" && !BODILESS.has(status);
  // What a budget pays for is counted as it comes.
  if (mayHaveBody && known !== undefined && known <= ONE_FLIGHT_BYTES && usage === undefined) {
    const whole = await allOf(upstream);
    const done = call.end({ ...ok, bytes_out: whole.byteLength });
    return { response: new Response(whole, { status, headers }), done };
  }
  if (!mayHaveBody || upstream.body === null) {
    void upstream.body?.cancel().catch(() => {});
    return {
      response: new Response(null, { status, headers }),
      done: call.end({ ...ok, metered: told(usage) }),
    };
  }
  if (scrubber !== undefined && coding !== "" && coding !== "identity" && !decoded) {
    throw new Problem(
      "upstream_refused",
      "The upstream's answer is encoded in a way that cannot be searched for the key.",
    );
  }
  const { readable, writable } = known === undefined ? new IdentityTransformStream() : new FixedLengthStream(known);
  const body = usage === undefined ? upstream.body : watched(upstream.body, (chunk) => usage.take(chunk));
  // To break off a body that is under way by its streams costs the runtime three times as much, a thousand times in a revocation.
  if (ctx?.abort !== undefined) call.dropBy(() => drop(ctx));
  const piped =
    scrubber === undefined
      ? body.pipeTo(writable, { signal: call.stopped }).then(() => known)
      : scrubber.pipe(body, writable, call.stopped);
  const done = piped.then(
    (bytes_out) => call.end({ ...ok, bytes_out, metered: told(usage) }),
    // What an answer that broke off has said of its tokens is not all of them.
    () =>
      call.end({
        outcome: request.signal.aborted ? "canceled" : "failed",
        metered: usage && { bytes_out: usage.bytes },
      }),
  );
  return { response: new Response(readable, { status, headers }), done };
}

/**
 * How long a body is by what its head says: nobody counts what the runtime moves. A length beside chunks is nothing
 * (RFC 9112 §6.3): such a body is as long as it likes.
 */
function saidLength(headers: Headers): number | undefined {
  const said = headers.get("content-length");
  return said !== null && /^\d+$/.test(said) && !headers.has("transfer-encoding") ? Number(said) : undefined;
}

async function allOf(upstream: Response): Promise<ArrayBuffer> {
  try {
    return await upstream.arrayBuffer();
  } catch (fault) {
    throw new Problem("upstream_unreachable", "The upstream's answer broke off.", { cause: fault });
  }
}

function told(usage: UsageReader | undefined): Metered | undefined {
  return usage && { usage: usage.total(), bytes_out: usage.bytes };
}
