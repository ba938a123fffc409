import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import { median, rotated } from "../statistics.ts";
import type { Target } from "../targets/target.ts";

/** Milliseconds to the first event, and from an event's sending to its arrival (medians). */
export type EventStream = { first_byte_ms: number; chunk_lag_ms: number };

export async function measureStreams(
  targets: readonly Target[],
  { rounds, chunks, gap_ms }: { rounds: number; chunks: number; gap_ms: number },
): Promise<Map<string, EventStream>> {
  const taken = new Map(targets.map(({ name }) => [name, [] as EventStream[]]));
  for (let round = 0; round < rounds; round++) {
    for (const target of rotated(targets, round))
      taken.get(target.name)?.push(await readStream(target, chunks, gap_ms));
  }
  const middle = (streams: EventStream[]): EventStream => ({
    first_byte_ms: median(streams.map(({ first_byte_ms }) => first_byte_ms)),
    chunk_lag_ms: median(streams.map(({ chunk_lag_ms }) => chunk_lag_ms)),
  });
  return new Map([...taken].map(([name, streams]) => [name, middle(streams)]));
}

async function readStream(target: Target, chunks: number, gap_ms: number): Promise<EventStream> {
  const call = target.call({ path: `/sse/${chunks}/${gap_ms}/chat/completions`, events: true });
  const connection = await Connection.open(target.port);
  const lags: number[] = [];
  let first_at: number | undefined;
  const sent_at = now();
  await connection.exchange(call, (bytes) => {
    const arrived_at = now();
    first_at ??= arrived_at;
    for (const [, stamp] of bytes.toString("latin1").matchAll(/"content":"([\d.]+)"/g))
      lags.push(arrived_at - Number(stamp));
  });
  connection.close();
  // Each chunk fits into a segment of its own; one that came in two pieces would be missing here.
  if (first_at === undefined || lags.length < chunks * 0.9)
    throw new Error(`${target.name} passed on ${lags.length} of ${chunks} events.`);
  return { first_byte_ms: first_at - sent_at, chunk_lag_ms: median(lags) };
}
