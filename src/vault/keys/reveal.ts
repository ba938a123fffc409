import { actorOf } from "../tokens/actor.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import type { ApiKey } from "./key.ts";
import { record, type Parts } from "../parts.ts";
import { Problem } from "../../problem.ts";
import type { Denial } from "../policy/judgement.ts";
import type { Secret } from "./sealer.ts";
import { secretOf } from "./secret_of.ts";
import type { Token } from "../tokens/token.ts";

/**
 * The secrets of keys: for a person at the dashboard, or for a device that a person has unlocked there, and then only of keys
 * that may be revealed (SECURITY S4). Each reveal is a row of its own, written before the secret is opened.
 */
export async function revealKeys(
  parts: Parts,
  caller: Caller,
  refs: readonly string[],
): Promise<{ key: ApiKey; secret: Secret }[]> {
  const { keys, tokens } = parts;
  const by = recognise(tokens, caller, Date.now());
  const absent = refs.filter((ref) => keys.find(ref) === undefined);
  if (absent.length > 0) throw new Problem("not_found", `There is no key ${absent.join(", ")}.`);
  const found = refs.map((ref) => keys.must(ref));
  for (const key of found) assertMayReveal(parts, by, caller, key);
  for (const { id, name } of found) record(parts, by, caller, "key.reveal", { key: id, key_name: name });
  const opened = await Promise.all(found.map(async (key) => ({ key, secret: await secretOf(parts, key) })));
  // Opening may have awaited: whoever was signed out or locked meanwhile gets nothing.
  const still = recognise(tokens, caller, Date.now());
  for (const { id } of found) assertMayReveal(parts, still, caller, keys.must(id));
  return opened;
}

/** Refuses, and records that, what a device may not see. */
function assertMayReveal(parts: Parts, by: Token, { origin }: Caller, key: ApiKey): void {
  const { devices, audit, refusals } = parts;
  if (by.kind !== "dev") return;
  const now = Date.now();
  const denial = judgeReveal(devices.of(by).reveal_until, key, now);
  if (denial === undefined) return;
  const about = { key: key.id, key_name: key.name, outcome: "refused" as const, rule: denial.rule };
  const event = { actor: actorOf(by), action: "key.reveal", ...about, ...origin };
  const request_id = refusals.isFirst(event, now) ? audit.append(event, now).id : undefined;
  throw new Problem(denial.code, denial.detail, { rule: denial.rule, request_id });
}

/** May a device with that elevation be shown this key's secret? */
function judgeReveal(reveal_until: number | null, key: ApiKey, now: number): Denial | undefined {
  if (reveal_until === null || reveal_until <= now) {
    const detail = "This device may not be shown secrets. Its owner can unlock it in the browser: apilocker unlock.";
    return { rule: "locked", code: "insufficient_scope", detail };
  }
  if (!key.revealable) {
    const detail = `The key ${key.name} is not revealable: devices may only use it. Its owner can change that on the dashboard.`;
    return { rule: "revealable", code: "policy_denied", detail };
  }
  return undefined;
}
