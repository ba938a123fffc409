import { eventsIn } from "./events.ts";
import { messagesIn, type Message } from "./message.ts";
import { nameOf, type Upstream } from "./upstream.ts";

/** How soon a stream that broke is taken up again. */
export const STREAM_AGAIN_MS = 1_000;
const STREAM_AGAIN_AT_MOST_MS = 30_000;

/** The stream on which a session's server speaks unasked. One that is not offered is not asked for again. */
export class Unasked {
  readonly #upstream: Upstream;
  readonly #hand: (message: Message) => void;
  readonly #log: (line: string) => void;
  #open: AbortController | undefined;

  constructor(upstream: Upstream, hand: (message: Message) => void, log: (line: string) => void) {
    this.#upstream = upstream;
    this.#hand = hand;
    this.#log = log;
  }

  /** Begins to listen, in the place of whatever was listened to. */
  open(): void {
    if (this.#upstream.session === undefined) return;
    this.close();
    this.#open = new AbortController();
    void this.#listen(this.#open.signal);
  }

  close(): void {
    this.#open?.abort();
  }

  async #listen(signal: AbortSignal): Promise<void> {
    let last: string | undefined;
    for (let wait_ms = STREAM_AGAIN_MS; !signal.aborted; wait_ms = Math.min(wait_ms * 2, STREAM_AGAIN_AT_MOST_MS)) {
      try {
        const response = await this.#upstream.listen(last, signal);
        if ([400, 401, 403, 404, 405, 501].includes(response.status) || response.body === null) return;
        if (response.ok)
          for await (const { id, data, retry_ms } of eventsIn(response.body)) {
            last = id ?? last;
            wait_ms = retry_ms ?? STREAM_AGAIN_MS;
            for (const one of messagesIn(data)) this.#hand(one);
          }
      } catch (fault) {
        if (signal.aborted) return;
        this.#log(`the server's stream broke: ${nameOf(fault)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, wait_ms).unref());
    }
  }
}
