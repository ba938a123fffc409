import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import type { Target } from "../targets/target.ts";

/** A large body whose reader stands still for a while first: a target that does not hold the upstream back shows it in its memory. */
export type BigBody = { seconds: number; cpu_s: number | undefined; peak_mb: number | undefined };

const STALL_MS = 1_000;

export async function measureBigBody(targets: readonly Target[], bytes: number): Promise<Map<string, BigBody>> {
  const bodies = new Map<string, BigBody>();
  for (const target of targets) bodies.set(target.name, await readBody(target, bytes));
  return bodies;
}

async function readBody(target: Target, bytes: number): Promise<BigBody> {
  const { processes } = target;
  const connection = await Connection.open(target.port);
  processes?.forgetPeak();
  const before = processes?.usage();
  const started = now();
  let received = 0;
  const status = await connection.exchange(target.call({ path: `/big/${bytes}` }), (piece) => {
    if (received === 0) connection.stall(STALL_MS);
    received += piece.length;
  });
  const seconds = (now() - started - STALL_MS) / 1000;
  const after = processes?.usage();
  connection.close();
  if (status !== 200 || received !== bytes)
    throw new Error(`${target.name} answered ${status} with ${received} of ${bytes} bytes.`);
  const cpu_s = before === undefined || after === undefined ? undefined : after.cpu_s - before.cpu_s;
  return { seconds, cpu_s, peak_mb: after?.peak_mb };
}
