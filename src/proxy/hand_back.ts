import type { Dispatch } from "../vault/calls/dispatch.ts";
import type { Config } from "../config.ts";
import type { ProxyCall } from "./call.ts";
import { carry } from "./carry.ts";
import { clientHeaders } from "./headers.ts";
import { pagination } from "./pagination.ts";
import type { Scrubber } from "./scrub.ts";
import { redirectedTo, type ProxyPath } from "./target.ts";
import { UsageReader } from "./usage.ts";
import { relay } from "./websocket.ts";

/** What an answer is handed back with. */
type Context = {
  config: Config;
  request: Request;
  asked: ProxyPath;
  target: URL;
  scrubber: Scrubber;
  /** Ends this invocation there and then, with all that it holds. */
  drop: () => void;
  /** A body that is cut may be ended so: nothing else is under way in the invocation. */
  may_drop: boolean;
};

const EVENT_STREAM = /^text\/event-stream\b/i;

/** Turns the upstream's answer into ours. `done` resolves once the call has ended and its row was told. */
export async function handBack(
  call: ProxyCall,
  { config, request, asked, target, scrubber, drop, may_drop }: Context,
  answer: Response,
  timing: string,
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
    return relay(call, answer, headers, { offered, scrubber: always, drop });
  }
  const leashed = EVENT_STREAM.test(answer.headers.get("content-type") ?? "") ? call.leashNow() : undefined;
  const { response, done } = await carry(call, answer, headers, {
    scrubber: answer.status >= 400 ? scrubber : always,
    request,
    usage: readerFor(dispatch, answer),
    drop: may_drop ? drop : undefined,
  });
  return { response, done: Promise.all([leashed, done]) };
}

/** Who reads what the answer took, where a budget pays. Providers take nothing for what they refuse. */
function readerFor({ metered }: Dispatch, { status, headers }: Response): UsageReader | undefined {
  if (metered === undefined) return undefined;
  return status >= 400
    ? UsageReader.ofNothing(metered.model)
    : new UsageReader(metered.model, headers.get("content-type") ?? "");
}
