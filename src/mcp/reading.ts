import type { Answer } from "../vault/answer.ts";
import type { ReadingName } from "../vault/calls/readings.ts";
import type { ReadingTool } from "../vault/calls/visit.ts";
import type { Caller } from "../vault/tokens/caller.ts";
import type { UserVault } from "../vault/vault.ts";

/** A vault that can be asked one thing; `recorded` once it has answered, since the row is written in the same step. */
export type Recording = { vault: DurableObjectStub<UserVault>; recorded: boolean };

/**
 * The vault as a tool sees it that only reads. The tool asks as it would ask the vault itself, and the question carries along what
 * was called: one request to the object where there would be three.
 */
export function recording(
  vault: DurableObjectStub<UserVault>,
  name: ReadingName,
  call: Omit<ReadingTool, "latency_ms">,
): Recording {
  const began_at = Date.now();
  const question = async (caller: Caller, ...args: unknown[]): Promise<Answer<unknown>> => {
    const answered = await vault.readForTool(caller, { name, args }, { ...call, latency_ms: Date.now() - began_at });
    if (!answered.ok) return answered;
    made.recorded = true;
    return JSON.parse(answered.value) as Answer<unknown>;
  };
  const made: Recording = { vault: { [name]: question } as unknown as DurableObjectStub<UserVault>, recorded: false };
  return made;
}
