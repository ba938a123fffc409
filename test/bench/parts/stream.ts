import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import { interleave, mapValues } from "../rounds.ts";
import { median } from "../statistics.ts";
import type { Target } from "../targets/target.ts";

/** Milliseconds to the first event, and from an event's sending to its arrival (medians). */
export type EventStream = { first_byte_ms: number; chunk_lag_ms: number };

// The first stream through a target also warms up its code.
const UNCOUNTED = 1;

/** Somebody else's server that does not pass such a stream on has no figure. */
export async function measureStreams(
  targets: readonly Target[],
  { rounds, chunks, gap_ms }: { rounds: number; chunks: number; gap_ms: number },
): Promise<Map<string, EventStream | undefined>> {
  const taken = await interleave(targets, UNCOUNTED + rounds, (target) => readStream(target, chunks, gap_ms));
  return mapValues(taken, (given) => {
    const streams = given.slice(UNCOUNTED).filter((stream) => stream !== undefined);
    if (streams.length < rounds) return undefined;
    return {
      first_byte_ms: median(streams.map(({ first_byte_ms }) => first_byte_ms)),
      chunk_lag_ms: median(streams.map(({ chunk_lag_ms }) => chunk_lag_ms)),
    };
  });
}

async function readStream(target: Target, chunks: number, gap_ms: number): Promise<EventStream | undefined> {
  const call = target.call({ path: `/sse/${chunks}/${gap_ms}/chat/completions`, events: true });
  const connection = await Connection.open(target.port);
  const lags: number[] = [];
  let first_at: number | undefined;
  const sent_at = now();
  const status = await connection.exchange(call, (bytes) => {
    const arrived_at = now();
    first_at ??= arrived_at;
    const stamps = bytes.toString("latin1").matchAll(/"content":"([\d.]+)"/g);
    for (const [, stamp] of stamps) lags.push(arrived_at - Number(stamp));
  });
  connection.close();
  // A chunk fits into one segment; the rare one that comes in two pieces is not found.
  if (first_at !== undefined && lags.length > chunks * 0.9)
    return { first_byte_ms: first_at - sent_at, chunk_lag_ms: median(lags) };
  if (target.foreign) return undefined;
  throw new Error(`${target.name} answered ${status} and passed on ${lags.length} of ${chunks} events.`);
}
