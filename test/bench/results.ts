import { FORGED, manyName, type Measured } from "./measure.ts";
import type { BigBody } from "./parts/big_body.ts";
import type { Latency } from "./parts/latency.ts";
import type { Revocation } from "./parts/revocation.ts";
import type { EventStream } from "./parts/stream.ts";
import type { Throughput } from "./parts/throughput.ts";
import type { VaultSize } from "./parts/vault_size.ts";

/** One row of the table. Times are milliseconds; `added` is over `direct`; throughput by the number of connections. */
export type TargetResult = {
  name: string;
  latency: Latency;
  added: Pick<Latency, "p50" | "p95" | "p99">;
  throughput: Record<number, Throughput>;
  /** The same calls spread over many vaults or objects. */
  many_vaults: Record<number, Throughput> | undefined;
  peak_mb: number | undefined;
  stream: EventStream | undefined;
  big_body: BigBody | undefined;
};

/** What is written; `null` where a target is not there or the platform does not tell. */
export type Results = {
  targets: TargetResult[];
  ratios: Record<string, number | null>;
  forged: Throughput;
  revocation: Revocation;
  vault_sizes: VaultSize[];
};

export function resultsOf(measured: Measured): Results {
  const { latency, throughput, peak_mb, streams, big_bodies, revocation, vault_sizes } = measured;
  const direct = latency.get("direct") as Latency;
  const targets = [...latency].map(([name, own]) => ({
    name,
    latency: own,
    added: { p50: own.p50 - direct.p50, p95: own.p95 - direct.p95, p99: own.p99 - direct.p99 },
    throughput: byConnections(throughput, name),
    many_vaults: throughput.get(16)?.has(manyName(name)) ? byConnections(throughput, manyName(name)) : undefined,
    peak_mb: peak_mb.get(name),
    stream: streams.get(name),
    big_body: big_bodies.get(name),
  }));
  const forged = throughput.get(16)?.get(FORGED) as Throughput;
  return { targets, ratios: ratiosOf(targets, forged), forged, revocation, vault_sizes };
}

/** API Locker's figures over those of others; named as the contract names them. */
function ratiosOf(targets: readonly TargetResult[], forged: Throughput): Record<string, number | null> {
  const named = (name: string) => targets.find((target) => target.name === name);
  const locker = named("apilocker");
  const over = (name: string, figure: (target: TargetResult) => number | undefined): number | null => {
    return divide(locker && figure(locker), named(name) && figure(named(name) as TargetResult));
  };
  const [workerd, skeleton] = [named("workerd"), named("skeleton")];
  const ratios: Record<string, number | null> = {};
  for (const name of ["workerd", "skeleton", "portkey"]) {
    ratios[`added_p50_vs_${name}`] = over(name, ({ added }) => added.p50);
    ratios[`added_p95_vs_${name}`] = over(name, ({ added }) => added.p95);
    ratios[`added_p99_vs_${name}`] = over(name, ({ added }) => added.p99);
    for (const connections of [1, 16, 64]) {
      ratios[`rps${connections}_vs_${name}`] = over(name, ({ throughput }) => throughput[connections]?.rps);
    }
    ratios[`cpu_vs_${name}`] = over(name, ({ throughput }) => throughput[16]?.cpu_ms);
  }
  for (const connections of [16, 64]) {
    const many = locker?.many_vaults?.[connections]?.rps;
    ratios[`rps${connections}_many_vaults_vs_workerd`] = divide(many, workerd?.throughput[connections]?.rps);
    ratios[`rps${connections}_many_vaults_vs_skeleton`] = divide(many, skeleton?.many_vaults?.[connections]?.rps);
  }
  ratios.forged_cpu_vs_workerd = divide(forged.cpu_ms, workerd?.throughput[16]?.cpu_ms);
  ratios.forged_rps16_vs_workerd = divide(forged.rps, workerd?.throughput[16]?.rps);
  ratios.chunk_lag_vs_workerd_ms = subtract(locker?.stream?.chunk_lag_ms, workerd?.stream?.chunk_lag_ms);
  ratios.chunk_lag_vs_skeleton_ms = subtract(locker?.stream?.chunk_lag_ms, skeleton?.stream?.chunk_lag_ms);
  ratios.big_body_cpu_vs_workerd = over("workerd", ({ big_body }) => big_body?.cpu_s);
  ratios.big_body_cpu_vs_skeleton = over("skeleton", ({ big_body }) => big_body?.cpu_s);
  return ratios;
}

function byConnections(throughput: Measured["throughput"], lane: string): Record<number, Throughput> {
  return Object.fromEntries(
    [...throughput].flatMap(([connections, lanes]) => {
      const found = lanes.get(lane);
      return found === undefined ? [] : [[connections, found]];
    }),
  );
}

function divide(a: number | undefined, b: number | undefined): number | null {
  return a === undefined || b === undefined || b === 0 ? null : a / b;
}

function subtract(a: number | undefined, b: number | undefined): number | null {
  return a === undefined || b === undefined ? null : a - b;
}
