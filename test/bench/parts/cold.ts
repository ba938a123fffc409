import { setTimeout as wait } from "node:timers/promises";
import type { Children, Started } from "../children.ts";
import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import { median, quantile } from "../statistics.ts";
import { openAccounts } from "../targets/accounts.ts";
import { lockerCall } from "../targets/start.ts";
import { encode, SMALL } from "../targets/target.ts";

/** The first call of an object that slept, beside the second one; milliseconds. */
export type Cold = { name: string; cold_p50_ms: number; cold_p90_ms: number; warm_p50_ms: number };

/** Longer than an idle object stays in memory, and a vault has shipped its rows before it is idle. */
const ASLEEP_MS = 45_000;

/** Wakes each of many objects with a call: those of the skeleton, whose constructor makes one table, and vaults. */
export async function measureCold(children: Children, objects: number, say: (line: string) => void): Promise<Cold[]> {
  const upstream = served(await children.start("upstream", 0)).port;
  const [skeleton, locker] = [
    served(await children.start("skeleton", upstream)),
    served(await children.start("apilocker", upstream)),
  ];
  const accounts = await openAccounts(locker.publicOrigin ?? "", upstream, objects);
  const lanes = [
    {
      name: "skeleton",
      port: skeleton.port,
      calls: accounts.map((_, object) => encode(skeleton.port, SMALL.path, false, { "x-object": String(object) })),
    },
    {
      name: "apilocker",
      port: locker.port,
      calls: accounts.map(({ token }) => lockerCall(locker.port, SMALL, token)),
    },
  ];
  for (const { port, calls } of lanes) await each(port, calls);
  say("letting them fall asleep");
  await wait(ASLEEP_MS);
  const found: Cold[] = [];
  for (const { name, port, calls } of lanes) {
    const cold = await each(port, calls);
    const warm = await each(port, calls);
    found.push({ name, cold_p50_ms: median(cold), cold_p90_ms: quantile(cold, 0.9), warm_p50_ms: median(warm) });
  }
  return found;
}

/** The figures for people. */
export function tellCold(found: readonly Cold[]): string {
  const told = found.map(
    ({ name, cold_p50_ms, cold_p90_ms, warm_p50_ms }) =>
      `${name}: first call after a sleep p50 ${cold_p50_ms.toFixed(2)} ms, p90 ${cold_p90_ms.toFixed(2)} ms; the next ${warm_p50_ms.toFixed(2)} ms`,
  );
  const [skeleton, locker] = found.map(({ cold_p50_ms }) => cold_p50_ms);
  return [...told, `ratio: ${((locker ?? Number.NaN) / (skeleton ?? Number.NaN)).toFixed(2)}`].join("\n");
}

async function each(port: number, calls: readonly Buffer[]): Promise<number[]> {
  const connection = await Connection.open(port);
  const times: number[] = [];
  for (const call of calls) {
    const sent_at = now();
    const status = await connection.exchange(call);
    times.push(now() - sent_at);
    if (status !== 200) throw new Error(`A call was answered ${status}.`);
  }
  connection.close();
  return times;
}

function served(started: Started): Extract<Started, { port: number }> {
  if ("skipped" in started) throw new Error(started.skipped);
  return started;
}
