import type { Dispatch } from "../vault/calls/dispatch.ts";
import type { ProxyCall } from "./call.ts";
import { carry } from "./carry.ts";
import { drop, type Errand } from "./errand.ts";
import { clientHeaders } from "./headers.ts";
import { pagination } from "./pagination.ts";
import type { Scrubber } from "./scrub.ts";
import { redirectedTo } from "./target.ts";
import { UsageReader } from "./usage.ts";
import { relay } from "./websocket.ts";

/** What the rest of a call works with once the vault has said yes. */
export type Upstream = { target: URL; headers: Headers; scrubber: Scrubber; upgrade: boolean };

/** A call that has been sent, and what the upstream answered. */
export type Attempt = { call: ProxyCall; upstream: Upstream; answer: Response; timing: string };

const EVENT_STREAM = /^text\/event-stream\b/i;

/**
 * Turns the upstream's answer into ours. `done` resolves once the call has ended and its row was told. `alone`: nothing else is under
 * way in the invocation, so a body that is cut may end with it.
 */
export async function handBack(
  { config, request, asked, ctx }: Errand,
  { call, upstream: { target, scrubber }, answer, timing }: Attempt,
  alone: boolean,
): Promise<{ response: Response; done: Promise<unknown> }> {
  const { dispatch } = call;
  const headers = clientHeaders(answer.headers, (value) => scrubber.text(value));
  const rewritten = (url: string) => redirectedTo(url, target, dispatch.destination, { ...config, key: asked.key });
  for (const name of ["location", "content-location"]) {
    const value = answer.headers.get(name);
    if (value !== null) headers.set(name, scrubber.text(rewritten(value)));
  }
  const pages = pagination(answer.headers.get("link"), rewritten);
  if (pages !== "") headers.set("link", scrubber.text(pages));
  headers.set("apilocker-request-id", dispatch.request_id);
  headers.set("server-timing", timing);
  const always = dispatch.scrub ? scrubber : undefined;
  if (answer.webSocket !== null) {
    const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
    return relay(call, answer, headers, { offered, scrubber: always, reasons: scrubber, drop: () => drop(ctx) });
  }
  if (EVENT_STREAM.test(answer.headers.get("content-type") ?? "")) void call.leashNow();
  return carry(call, answer, headers, {
    scrubber: answer.status >= 400 ? scrubber : always,
    request,
    usage: readerFor(dispatch, answer),
    ctx: alone ? ctx : undefined,
  });
}

/** Who reads what the answer took, where a budget pays. Providers take nothing for what they refuse. */
function readerFor({ metered }: Dispatch, { status, headers }: Response): UsageReader | undefined {
  if (metered === undefined) return undefined;
  return status >= 400
    ? UsageReader.ofNothing(metered.model)
    : new UsageReader(metered.model, headers.get("content-type") ?? "");
}
