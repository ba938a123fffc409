import { setTimeout as wait } from "node:timers/promises";
import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import type { Children, Started } from "../children.ts";
import { Processes } from "../processes.ts";
import { median, quantile } from "../statistics.ts";
import { KEY, mintToken, openAccount, storeKey } from "../targets/accounts.ts";
import { lockerCall } from "../targets/start.ts";
import { encode, SMALL } from "../targets/target.ts";

/** Many open streams that are cut at once, and how others' calls fare meanwhile. Milliseconds from the stop's start. */
export type Cuts = {
  /**
   * The product; the product with its routers in a process of their own, as in a deployment; or a Worker that does nothing but hold and
   * cut streams: what the runtime itself takes on this machine.
   */
  target: "apilocker" | "apilocker elsewhere" | "bare";
  streams: number;
  stopped_by: string;
  answered_ms: number;
  cut_p50_ms: number;
  cut_p99_ms: number;
  cut_max_ms: number;
  /** The runtime's own time, the other calls' with it. */
  cpu_ms_a_stream: number | undefined;
  others: { calls: number; p50_ms: number; p99_ms: number; max_ms: number };
};

/** Where streams are opened and cut. */
type Field = {
  target: Cuts["target"];
  port: number;
  processes: Processes | undefined;
  /** Another call of the same vault, that the stop does not touch, and where it is asked: where the vault is. */
  other: { port: number; call: Buffer };
  open(nth: number): Buffer;
  stop(): Promise<unknown>;
  stopped_by: string;
};

/** A token holds so many leashes at most (SECURITY S6). */
const A_TOKEN = 1_000;
/** The runtime keeps four files a stream, and a machine may give it 20,000: where there are more, their events come from a Worker beside it, and each takes two. */
const WITH_SOCKETS = 4_900;
const AT_ONCE = 25;
const OTHER = "other";
/** An event every twelve seconds: what is measured is the cut, not the streams, and a client gives up where nothing comes for twenty. */
const STREAM = { path: "/sse/1000/12000/chat/completions", events: true };
const [BREATH_MS, BETWEEN_MS] = [1_000, 5];

/** Opens that many streams, stops them (a token revoked, or the key paused that all of them use) and listens when each breaks. */
export async function measureCuts(
  children: Children,
  sizes: readonly number[],
  tell: (one: Cuts) => void,
): Promise<Cuts[]> {
  const upstream = port(await children.start("upstream", 0));
  const measured: Cuts[] = [];
  for (const streams of sizes) {
    const how = streams > WITH_SOCKETS ? "_with_events" : "";
    const locker = await children.start(`apilocker${how}`, upstream);
    const bare = await children.start(`cutter${how}`, upstream);
    const fields = [await ours("apilocker", locker, upstream, streams)];
    if (streams <= WITH_SOCKETS)
      fields.push(
        await ours("apilocker elsewhere", await children.start("apilocker_elsewhere", upstream), upstream, streams),
      );
    for (const field of [...fields, plain(bare)]) {
      const one = await measure(field, streams);
      tell(one);
      measured.push(one);
    }
  }
  return measured;
}

async function measure(field: Field, streams: number): Promise<Cuts> {
  const open: { begun: Promise<void>; ended: Promise<number> }[] = [];
  for (let first = 0; first < streams; first += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, streams - first) }, (_, index) =>
      stream(field.port, field.open(first + index)),
    );
    open.push(...some);
    await Promise.all(some.map(({ begun }) => begun));
  }
  await wait(BREATH_MS);
  const calls = new Others(field.other);
  await calls.settle();
  const cpu = field.processes?.usage().cpu_s;
  const began = now();
  await field.stop();
  const answered_ms = now() - began;
  const cuts = (await Promise.all(open.map(({ ended }) => ended))).map((at) => at - began);
  const used = field.processes?.usage().cpu_s;
  const { latencies } = await calls.stop();
  return {
    target: field.target,
    streams,
    stopped_by: field.stopped_by,
    answered_ms,
    cut_p50_ms: median(cuts),
    cut_p99_ms: quantile(cuts, 0.99),
    cut_max_ms: Math.max(...cuts),
    cpu_ms_a_stream: cpu === undefined || used === undefined ? undefined : ((used - cpu) * 1_000) / streams,
    others: {
      calls: latencies.length,
      p50_ms: median(latencies),
      p99_ms: quantile(latencies, 0.99),
      max_ms: Math.max(...latencies),
    },
  };
}

/** A vault of its own, with as many tokens as so many streams need. */
async function ours(
  target: Exclude<Cuts["target"], "bare">,
  started: Started,
  upstream: number,
  streams: number,
): Promise<Field> {
  const locker = port(started);
  const { publicOrigin: origin = "", vaultPort = locker } = "port" in started ? started : {};
  const { person } = await openAccount(origin, upstream, `cuts-${streams}@example.com`);
  await storeKey(person, OTHER, upstream);
  const tokens = await Promise.all(
    Array.from({ length: Math.ceil(streams / A_TOKEN) }, () => mintToken(person, [KEY])),
  );
  const other = await mintToken(person, [OTHER]);
  const one = streams <= A_TOKEN;
  return {
    target,
    port: locker,
    processes: Processes.below(started.pid),
    other: { port: vaultPort, call: lockerCall(vaultPort, SMALL, other.token, OTHER) },
    open: (nth) => lockerCall(locker, STREAM, tokens[Math.floor(nth / A_TOKEN)]?.token ?? ""),
    stop: () =>
      one ? person.api("DELETE", `/v1/tokens/${tokens[0]?.token_id}`) : person.api("POST", `/v1/keys/${KEY}/pause`),
    stopped_by: one ? "a token revoked" : "a key paused",
  };
}

function plain(started: Started): Field {
  const bare = port(started);
  return {
    target: "bare",
    port: bare,
    processes: Processes.below(started.pid),
    other: { port: bare, call: encode(bare, SMALL.path, false) },
    open: () => encode(bare, STREAM.path, true),
    stop: () => fetch(`http://127.0.0.1:${bare}/`, { method: "DELETE" }),
    stopped_by: "its object",
  };
}

/** The figures for people. */
export function tellCuts({ target, streams, stopped_by, others, cpu_ms_a_stream, ...cut }: Cuts): string {
  const { answered_ms, cut_p50_ms, cut_p99_ms, cut_max_ms } = cut;
  const ms = (value: number) => `${Math.round(value)} ms`;
  const cpu = cpu_ms_a_stream === undefined ? "" : `, ${cpu_ms_a_stream.toFixed(2)} ms of CPU each`;
  return (
    `${target}: ${streams} streams, ${stopped_by}: answered after ${ms(answered_ms)}; cut p50 ${ms(cut_p50_ms)}, p99 ${ms(cut_p99_ms)}, last ${ms(cut_max_ms)}${cpu}; ` +
    `${others.calls} other calls meanwhile: p50 ${ms(others.p50_ms)}, p99 ${ms(others.p99_ms)}, slowest ${ms(others.max_ms)}`
  );
}

/** One call after another by another key, with a moment between, for as long as the cutting takes. */
class Others {
  readonly #done: Promise<void>;
  readonly #first = Promise.withResolvers<void>();
  readonly latencies: number[] = [];
  #over = false;

  constructor({ port, call }: Field["other"]) {
    this.#done = this.#run(port, call);
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

  async #run(port: number, call: Buffer): Promise<void> {
    const connection = await Connection.open(port);
    for (let n = 0; !this.#over; n++) {
      const began = now();
      const status = await connection.exchange(call);
      if (status !== 200) throw new Error(`Another call of the vault was answered ${status}.`);
      this.latencies.push(now() - began);
      if (n === 20) this.#first.resolve();
      await wait(BETWEEN_MS);
    }
    connection.close();
  }
}

/** A stream: when its first event is there, and when it breaks off. One that ends by itself was not cut. */
function stream(port: number, call: Buffer): { begun: Promise<void>; ended: Promise<number> } {
  const begun = Promise.withResolvers<void>();
  const run = async () => {
    const connection = await Connection.open(port);
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
