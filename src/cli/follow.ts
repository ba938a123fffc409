import type { Answer, Locker } from "./client.ts";
import { Failure, signInNeeded } from "./failure.ts";
import { note } from "./terminal.ts";
import { openSocket } from "./websocket.ts";

type Live = Answer<"GET /live">;

const LONGEST_WAIT_MS = 30_000;
/** The locker's word for: your sign-in is over. */
const CUT = 4001;
const REMEMBERED = 10_000;

/**
 * Hears what happens as it happens, and goes on hearing through restarts and bad networks, until the sign-in is over. `catchUp` asks
 * for what there is, each time the feed begins and where it has skipped something: nothing falls between two feeds.
 */
export async function follow(
  locker: Locker,
  onEvent: (event: Live) => void,
  catchUp: () => Promise<void>,
): Promise<never> {
  const lookBack = () =>
    catchUp().catch((fault: unknown) => note(`apilocker: ${fault instanceof Error ? fault.message : String(fault)}`));
  let heard = false;
  for (let wait_ms = 500; ; wait_ms = Math.min(wait_ms * 2, LONGEST_WAIT_MS)) {
    try {
      const code = await openSocket("/v1/live", locker, {
        onOpen: () => {
          wait_ms = 500;
          heard = true;
        },
        onText: (text) => {
          const event = JSON.parse(text) as Live;
          if (event.type === "ready") note("apilocker: listening");
          if (event.type === "ready" || event.type === "skipped") void lookBack();
          else onEvent(event);
        },
      });
      if (code === CUT) throw signInNeeded("This device is not signed in any more.");
    } catch (fault) {
      if (fault instanceof Failure && !(heard && passes(fault))) throw fault;
    }
    note("apilocker: the connection was lost; connecting again");
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
  }
}

/** Will it be over by itself, as when the locker is started anew? */
function passes({ code }: Failure): boolean {
  return /^(unreachable|unavailable|rate_limited|http_5\d\d)$/.test(code);
}

/** Says each thing once, however often it is heard of. The oldest are forgotten. */
export function once<T>(nameOf: (one: T) => string, say: (one: T) => void): (one: T) => void {
  const said = new Set<string>();
  return (one) => {
    const name = nameOf(one);
    if (said.has(name)) return;
    said.add(name);
    if (said.size > REMEMBERED) said.delete(said.values().next().value ?? "");
    say(one);
  };
}
