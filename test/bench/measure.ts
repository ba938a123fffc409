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

/** What every part found, by the name of the target or lane; throughput by the number of connections first. */
export type Measured = {
  latency: Map<string, Latency>;
  throughput: Map<number, Map<string, Throughput>>;
  peak_mb: Map<string, number | undefined>;
  streams: Map<string, EventStream | undefined>;
  big_bodies: Map<string, BigBody>;
  revocation: Revocation;
  vault_sizes: VaultSize[];
};

/** The lane of calls that are refused by arithmetic alone. */
export const FORGED = "apilocker, forged token";

const WARMUP_CONNECTIONS = 16;
const FORGED_CONNECTIONS = 16;
const WITH_MANY = new Set(["skeleton", "apilocker"]);
const WITH_BIG_BODY = new Set(["direct", "workerd", "skeleton", "apilocker"]);

/** Every part in turn; within a part, every target in each round. */
export async function measure(field: Field, plan: Plan, say: (line: string) => void): Promise<Measured> {
  const { targets, locker } = field;
  const lanes = targets.map(laneOf);
  const many = targets.filter(({ name }) => WITH_MANY.has(name)).map((target) => manyVaults(target, plan.vaults));
  const forged = forgedLane(field);
  const warmUp = async (some: readonly Lane[]) => {
    for (const lane of some) await drive(lane, WARMUP_CONNECTIONS, plan.warmup_ms);
  };
  say("warming up");
  await warmUp(lanes);

  say("latency");
  const latency = await measureLatency(lanes, plan.latency);
  const throughput = new Map<number, Map<string, Throughput>>();
  for (const connections of plan.throughput.connections) {
    say(`throughput, ${connections} connections`);
    const more = connections === FORGED_CONNECTIONS ? [...many, forged] : connections === 1 ? [] : many;
    // Only where they are called: many vaults ship their audit rows for ten seconds after, and one caller would pay for that.
    if (connections === FORGED_CONNECTIONS) await warmUp(more);
    throughput.set(connections, await measureThroughput([...lanes, ...more], connections, plan.throughput));
  }
  const peak_mb = new Map(targets.map(({ name, processes }) => [name, processes?.usage().peak_mb]));

  say("streams of events");
  const streams = await measureStreams(targets, plan.stream);
  say("a large body");
  const big_bodies = await measureBigBody(
    targets.filter(({ name }) => WITH_BIG_BODY.has(name)),
    plan.big.bytes,
  );
  say("revocation");
  const revocation = await measureRevocation(locker, plan.revocation);
  say("vaults of several sizes");
  const vault_sizes = await measureVaultSizes(field, plan.vault_size);
  return { latency, throughput, peak_mb, streams, big_bodies, revocation, vault_sizes };
}

/** The name of a target's lane whose calls go round many vaults or objects. */
export function manyName(target: string): string {
  return `${target}, many vaults`;
}

function manyVaults(target: Target, vaults: number): Lane {
  const calls = Array.from({ length: vaults }, (_, vault) => target.call(SMALL, vault));
  return { name: manyName(target.name), target, calls, status: 200 };
}

function forgedLane({ locker: { target, accounts } }: Field): Lane {
  const call = lockerCall(target.port, SMALL, forge(accounts[0]?.token ?? ""));
  return { name: FORGED, target, calls: [call], status: 401 };
}
