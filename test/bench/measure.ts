import { measureBigBody, type BigBody } from "./parts/big_body.ts";
import { measureLatency, type Latency } from "./parts/latency.ts";
import { measureRevocation, type Revocation } from "./parts/revocation.ts";
import { measureStreams, type EventStream } from "./parts/stream.ts";
import { drive, measureThroughput, type Throughput } from "./parts/throughput.ts";
import { measureVaultSizes, type VaultSize } from "./parts/vault_size.ts";
import type { Plan } from "./plan.ts";
import { forge } from "./targets/accounts.ts";
import { lockerCall, type Field } from "./targets/start.ts";
import { laneOf, SMALL, type Lane, type Target } from "./targets/target.ts";

/** What one target did. Times in milliseconds; `added_` is over `direct`; throughput by number of connections. */
export type TargetResult = {
  name: string;
  latency: Latency;
  added: { p50: number; p95: number; p99: number };
  throughput: Record<string, Throughput>;
  /** The same calls spread over many vaults or objects. */
  many?: Record<string, Throughput>;
  /** Until after the throughput parts, all processes of the target together. */
  peak_mb: number | undefined;
  stream: EventStream;
  big_body?: BigBody | undefined;
};

export type Measured = {
  targets: TargetResult[];
  /** Calls with a token that only its signature gives away. */
  forged: Throughput;
  revocation: Revocation;
  vault_sizes: VaultSize[];
};

const WARMUP_CONNECTIONS = 16;
const FORGED_CONNECTIONS = 16;
const WITH_BIG_BODY = new Set(["direct", "workerd", "skeleton", "apilocker"]);
const WITH_MANY = new Set(["skeleton", "apilocker"]);

/** Every part in turn. Within a part all targets are asked in each round. */
export async function measure(field: Field, plan: Plan, say: (line: string) => void): Promise<Measured> {
  const { targets, locker } = field;
  const lanes = targets.map(laneOf);
  const many = targets.filter(({ name }) => WITH_MANY.has(name)).map((target) => manyOf(target, plan.vaults));
  const forged = forgedLane(field);

  say("warming up");
  for (const lane of [...lanes, ...many, forged]) await drive(lane, WARMUP_CONNECTIONS, plan.warmup_ms);
  say("latency");
  const latency = await measureLatency(lanes, plan.latency);
  const throughput: Record<string, Map<string, Throughput>> = {};
  for (const connections of plan.throughput.connections) {
    say(`throughput, ${connections} connections`);
    const more = [
      ...(plan.throughput.many_connections.includes(connections) ? many : []),
      ...(connections === FORGED_CONNECTIONS ? [forged] : []),
    ];
    throughput[connections] = await measureThroughput([...lanes, ...more], connections, plan.throughput);
  }
  const peaks = new Map(targets.map(({ name, processes }) => [name, processes?.usage().peak_mb]));
  say("streams of events");
  const streams = await measureStreams(targets, plan.stream);
  say("a large body");
  const big = await measureBigBody(targets.filter(({ name }) => WITH_BIG_BODY.has(name)), plan.big.bytes);
  say("revocation");
  const revocation = await measureRevocation(locker, plan.revocation);
  say("vaults of some size");
  const vault_sizes = await measureVaultSizes(field, plan.vault_size);

  const at = (lane: string) => pick(throughput, lane);
  const base = of(latency, "direct");
  return {
    targets: targets.map((target) => {
      const { name } = target;
      const own = of(latency, name);
      const added = { p50: own.p50 - base.p50, p95: own.p95 - base.p95, p99: own.p99 - base.p99 };
      return {
        name,
        latency: own,
        added,
        throughput: at(name),
        ...(WITH_MANY.has(name) ? { many: at(manyOf(target, plan.vaults).name) } : {}),
        peak_mb: peaks.get(name),
        stream: of(streams, name),
        big_body: big.get(name),
      };
    }),
    forged: of(throughput[FORGED_CONNECTIONS] ?? new Map<string, Throughput>(), forged.name),
    revocation,
    vault_sizes,
  };
}

function manyOf(target: Target, vaults: number): Lane {
  const calls = Array.from({ length: vaults }, (_, vault) => target.call(SMALL, vault));
  return { name: `${target.name}, ${vaults} vaults`, target, calls, status: 200 };
}

function forgedLane({ locker: { target, accounts } }: Field): Lane {
  const call = lockerCall(target.port, SMALL, forge(accounts[0]?.token ?? ""));
  return { name: "apilocker, forged token", target, calls: [call], status: 401 };
}
