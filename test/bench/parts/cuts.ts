import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import type { Children, Started } from "../children.ts";
import { median, quantile } from "../statistics.ts";
import { KEY, mintToken, openAccount, storeKey } from "../targets/accounts.ts";
import { lockerCall } from "../targets/start.ts";

/** Many open streams of one vault that are cut at once, and how others' calls fare meanwhile. Milliseconds from the stop's start. */
export type Cuts = {
  streams: number;
  stopped_by: string;
  answered_ms: number;
  cut_p50_ms: number;
  cut_p99_ms: number;
  cut_max_ms: number;
  others: { calls: number; p50_ms: number; p99_ms: number; max_ms: number };
};

/** A token holds so many leashes at most (SECURITY S6). */
const A_TOKEN = 1_000;
const AT_ONCE = 50;
const OTHER = "other";
/** Events every four seconds: what is measured is the cut, not the streams. */
const STREAM = "/sse/1000/4000/chat/completions";

/** Opens that many streams, stops them (a token revoked, or the key paused that all of them use) and listens when each breaks. */
export async function measureCuts(
  children: Children,
  sizes: readonly number[],
  tell: (one: Cuts) => void,
): Promise<Cuts[]> {
  const upstream = port(await children.start("upstream", 0));
  const started = await children.start("apilocker", upstream);
  const locker = port(started);
  const origin = ("publicOrigin" in started ? started.publicOrigin : undefined) ?? "";
  const measured: Cuts[] = [];
  for (const streams of sizes) {
    const { person } = await openAccount(origin, upstream, `cuts-${streams}@example.com`);
    await storeKey(person, OTHER, upstream);
    const tokens = await Promise.all(
      Array.from({ length: Math.ceil(streams / A_TOKEN) }, () => mintToken(person, [KEY])),
    );
    const open: { begun: Promise<void>; ended: Promise<number> }[] = [];
    for (let first = 0; first < streams; first += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, streams - first) }, (_, index) =>
        stream(locker, tokens[Math.floor((first + index) / A_TOKEN)]?.token ?? ""),
      );
      open.push(...some);
      await Promise.all(some.map(({ begun }) => begun));
    }
    const other = await mintToken(person, [OTHER]);
    const calls = new Others(locker, lockerCall(locker, { path: "/v1/chat/completions" }, other.token, OTHER));
    await calls.settle();
    const one = streams <= A_TOKEN;
    const began = now();
    const path = one ? `/v1/tokens/${tokens[0]?.token_id}` : `/v1/keys/${KEY}/pause`;
    await person.api(one ? "DELETE" : "POST", path);
    const answered_ms = now() - began;
    const cuts = (await Promise.all(open.map(({ ended }) => ended))).map((at) => at - began);
    const { latencies } = await calls.stop();
    const one_more: Cuts = {
      streams,
      stopped_by: one ? "a token revoked" : "a key paused",
      answered_ms,
      cut_p50_ms: median(cuts),
      cut_p99_ms: quantile(cuts, 0.99),
      cut_max_ms: Math.max(...cuts),
      others: {
        calls: latencies.length,
        p50_ms: median(latencies),
        p99_ms: quantile(latencies, 0.99),
        max_ms: Math.max(...latencies),
      },
    };
    tell(one_more);
    measured.push(one_more);
  }
  return measured;
}

/** The figures for people. */
export function tellCuts({ streams, stopped_by, others, ...cut }: Cuts): string {
  const { answered_ms, cut_p50_ms, cut_p99_ms, cut_max_ms } = cut;
  const ms = (value: number) => `${Math.round(value)} ms`;
  return (
    `${streams} streams, ${stopped_by}: answered after ${ms(answered_ms)}; cut p50 ${ms(cut_p50_ms)}, p99 ${ms(cut_p99_ms)}, last ${ms(cut_max_ms)}; ` +
    `${others.calls} other calls of the vault meanwhile: p50 ${ms(others.p50_ms)}, p99 ${ms(others.p99_ms)}, slowest ${ms(others.max_ms)}`
  );
}

/** One call after another by another key, for as long as the cutting takes. */
class Others {
  readonly #done: Promise<void>;
  readonly #first = Promise.withResolvers<void>();
  readonly latencies: number[] = [];
  #over = false;

  constructor(locker: number, call: Buffer) {
    this.#done = this.#run(locker, call);
  }

  /** Resolves once calls are under way; what they took before the stop does not count. */
  async settle(): Promise<void> {
    await this.#first.promise;
    this.latencies.length = 0;
  }

  async stop(): Promise<{ latencies: number[] }> {
    this.#over = true;
    await this.#done;
    return { latencies: this.latencies };
  }

  async #run(locker: number, call: Buffer): Promise<void> {
    const connection = await Connection.open(locker);
    for (let n = 0; !this.#over; n++) {
      const began = now();
      const status = await connection.exchange(call);
      if (status !== 200) throw new Error(`Another call of the vault was answered ${status}.`);
      this.latencies.push(now() - began);
      if (n === 20) this.#first.resolve();
    }
    connection.close();
  }
}

/** A stream: when its first event is there, and when it breaks off. One that ends by itself was not cut. */
function stream(locker: number, token: string): { begun: Promise<void>; ended: Promise<number> } {
  const begun = Promise.withResolvers<void>();
  const run = async () => {
    const connection = await Connection.open(locker);
    const call = lockerCall(locker, { path: STREAM, events: true }, token);
    const status = await connection.exchange(call, () => begun.resolve()).catch(() => undefined);
    connection.close();
    if (status !== undefined) throw new Error(`A stream that was to be cut ended by itself with ${status}.`);
    return now();
  };
  const ended = run();
  ended.catch(begun.reject);
  return { begun: begun.promise, ended };
}

function port(started: Started): number {
  if ("skipped" in started) throw new Error(started.skipped);
  return started.port;
}
