import { parseArgs } from "node:util";
import * as z from "zod";

const Answer = z.object({ root_id: z.string(), rewrapped: z.int(), left: z.int(), next: z.string().optional() });

/**
 * `npm run rotate-root -- --url https://locker.example`, with OPERATOR_TOKEN in the environment: wraps every vault under the first
 * key of ROOT_KEYS, while traffic flows. At 0 left every other root key may be removed (docs/operations.md).
 */
async function rotateRoot(): Promise<void> {
  const { url } = parseArgs({ options: { url: { type: "string" } } }).values;
  const token = process.env.OPERATOR_TOKEN;
  if (url === undefined) throw new Error("Say which deployment: npm run rotate-root -- --url https://…");
  if (token === undefined || token === "") throw new Error("OPERATOR_TOKEN is not set in the environment.");
  let total = 0;
  for (let after = ""; ;) {
    const target = new URL(`/operator/rotate-root?${new URLSearchParams({ after }).toString()}`, url);
    const response = await fetch(target, { method: "POST", headers: { authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`The deployment answered ${response.status}: ${(await response.text()).trim()}`);
    const { root_id, rewrapped, left, next } = Answer.parse(await response.json());
    total += rewrapped;
    if (next !== undefined && left > 0) {
      console.log(`root ${root_id}: ${total} re-wrapped, ${left} left`);
      after = next;
      continue;
    }
    console.log(`root ${root_id}: ${total} re-wrapped, ${left} left`);
    if (left > 0) throw new Error("Some vaults could not be re-wrapped. Keep the old key and run this again.");
    console.log("Every other root key may be removed now.");
    return;
  }
}

try {
  await rotateRoot();
} catch (fault) {
  console.error(fault instanceof Error ? fault.message : fault);
  process.exitCode = 1;
}
