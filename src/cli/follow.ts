import type { Answer, Locker } from "./client.ts";
import { Failure, signInNeeded } from "./failure.ts";
import { note } from "./terminal.ts";
import { openSocket } from "./websocket.ts";

const LONGEST_WAIT_MS = 30_000;
/** The locker's word for: your sign-in is over. */
const CUT = 4001;

/** Hears what happens as it happens, and goes on hearing through restarts and bad networks, until the sign-in is over. */
export async function follow(locker: Locker, onEvent: (event: Answer<"GET /live">) => void): Promise<never> {
  for (let wait_ms = 500; ; wait_ms = Math.min(wait_ms * 2, LONGEST_WAIT_MS)) {
    try {
      const code = await openSocket(new URL("/v1/live", locker.url), locker.token, {
        onOpen: () => (wait_ms = 500),
        onText: (text) => onEvent(JSON.parse(text) as Answer<"GET /live">),
      });
      if (code === CUT) throw signInNeeded("This device is not signed in any more.");
    } catch (fault) {
      if (fault instanceof Failure) throw fault;
    }
    note("apilocker: the connection was lost; connecting again");
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
  }
}
