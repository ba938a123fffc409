import type { Settlement } from "../vault/calls/dispatch.ts";
import { ask } from "../vault/answer.ts";

/** When an outcome goes alone, and again where the vault could not be asked: before 15 s are over, when it would end the row itself. */
const WAITS_MS = [250, 1_000, 4_000];
const STALE_MS = 1_000;

type Queue = { waiting: Settlement[]; sender_since: number };

/**
 * Outcomes of short calls on their way to their vaults: numbers and codes only, no token, no secret. They ride with the next
 * authorization of the same vault, or go alone after 250 ms; one that is lost with its isolate becomes `interrupted`.
 */
const queues = new Map<string, Queue>();

/** Takes what waits for this vault, to ride along. */
export function takeSettlements(vault_id: string): Settlement[] {
  const queue = queues.get(vault_id);
  if (queue === undefined || queue.waiting.length === 0) return [];
  const { waiting } = queue;
  queue.waiting = [];
  return waiting;
}

/** Puts back what could not be delivered. */
export function returnSettlements(vault_id: string, settlements: readonly Settlement[]): void {
  if (settlements.length > 0) queueOf(vault_id).waiting.push(...settlements);
}

/** Queues an outcome; whoever finds no sender under way sends after a moment. */
export async function settleSoon(env: Env, vault_id: string, settlement: Settlement): Promise<void> {
  const { waiting, sender_since } = queueOf(vault_id);
  waiting.push(settlement);
  if (Date.now() - sender_since < STALE_MS) return;
  for (const [tries, wait_ms] of WAITS_MS.entries()) {
    queueOf(vault_id).sender_since = Date.now();
    await scheduler.wait(wait_ms);
    const settlements = takeSettlements(vault_id);
    // What comes from now on has a sender of its own.
    queues.delete(vault_id);
    if (settlements.length === 0) return;
    try {
      return await ask(env.USER_VAULT.getByName(vault_id).settle(settlements));
    } catch (fault) {
      // They ride with the next call, if one comes first; the vault takes them for an hour (a row of their own after 15 s).
      returnSettlements(vault_id, settlements);
      if (tries === WAITS_MS.length - 1) throw fault;
    }
  }
}

function queueOf(vault_id: string): Queue {
  let queue = queues.get(vault_id);
  if (queue === undefined) queues.set(vault_id, (queue = { waiting: [], sender_since: 0 }));
  return queue;
}
