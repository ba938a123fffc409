import { Problem } from "../problem.ts";
import type { Settlement } from "../vault/calls/dispatch.ts";
import { ask } from "../vault/answer.ts";

/** When an outcome goes alone, and again where the vault could not be asked: before 15 s are over, when it would end the row itself. */
const WAITS_MS = [250, 1_000, 4_000];
/** A sender goes on for so long at most, where somebody who calls now and then leaves it something each time. */
const SENDER_MS = 10_000;
const STALE_MS = 1_000;

/** `since` is when the oldest of them began to wait. */
type Queue = { waiting: Settlement[]; since: number; sender_since: number };

/**
 * Outcomes of short calls on their way to their vaults: numbers and codes only, no token, no secret. They ride with the next
 * authorization of the same vault, or go alone after 250 ms; one that is lost with its isolate becomes `interrupted`.
 */
const queues = new Map<string, Queue>();

/** Takes what waits for this vault, to ride along. */
export function takeSettlements(vault_id: string): Settlement[] {
  const queue = queues.get(vault_id);
  return queue === undefined ? [] : empty(queue);
}

/** Puts back what could not be delivered. */
export function returnSettlements(vault_id: string, settlements: readonly Settlement[]): void {
  if (settlements.length > 0) add(queueOf(vault_id), settlements);
}

/** Queues an outcome; whoever finds no sender under way sends after a moment. */
export async function settleSoon(env: Env, vault_id: string, settlement: Settlement): Promise<void> {
  const queue = queueOf(vault_id);
  add(queue, [settlement]);
  if (Date.now() - queue.sender_since < STALE_MS) return;
  for (const [tries, wait_ms] of WAITS_MS.entries()) {
    const settlements = await untilDue(vault_id, wait_ms);
    if (settlements.length === 0) return;
    try {
      return await ask(env.USER_VAULT.getByName(vault_id).settle(settlements));
    } catch (fault) {
      // Of a vault that is gone nobody asks how its calls ended.
      if (fault instanceof Problem && fault.code === "invalid_token") return;
      // They ride with the next call, if one comes first; the vault takes them for an hour (a row of their own after 15 s).
      returnSettlements(vault_id, settlements);
      if (tries === WAITS_MS.length - 1) throw fault;
    }
  }
}

/** What waits once the oldest of it has waited for so long; nothing where all of it has gone with a call by then. */
async function untilDue(vault_id: string, wait_ms: number): Promise<Settlement[]> {
  const queue = queueOf(vault_id);
  const until = Date.now() + SENDER_MS;
  let left_ms = wait_ms;
  while (left_ms > 0 && Date.now() < until) {
    queue.sender_since = Date.now();
    await scheduler.wait(left_ms);
    left_ms = queue.waiting.length === 0 ? 0 : queue.since + wait_ms - Date.now();
  }
  // What comes from now on has a sender of its own.
  queues.delete(vault_id);
  return empty(queue);
}

function add(queue: Queue, settlements: readonly Settlement[]): void {
  if (queue.waiting.length === 0) queue.since = Date.now();
  queue.waiting.push(...settlements);
}

function empty(queue: Queue): Settlement[] {
  const { waiting } = queue;
  queue.waiting = [];
  return waiting;
}

function queueOf(vault_id: string): Queue {
  let queue = queues.get(vault_id);
  if (queue === undefined) queues.set(vault_id, (queue = { waiting: [], since: 0, sender_since: 0 }));
  return queue;
}
