import { logFault, Problem, type Refusal } from "../problem.ts";

/**
 * A refusal crosses RPC as a value: refusals are expected, and a throw would be logged by the runtime as a crash and tell
 * the object's id. Faults still throw.
 */
export type Answer<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

/** Inside the object: runs the work, turning a thrown Problem into a value. */
export function answer<T>(work: () => T): Answer<T> {
  try {
    return { ok: true, value: work() };
  } catch (thrown) {
    return refused(thrown);
  }
}

/** As {@link answer}, for work that awaits. */
export async function answerAsync<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (thrown) {
    return refused(thrown);
  }
}

/** Outside the object: the value, or the Problem thrown again. */
function accept<T>(answered: Answer<T>): T {
  if (answered.ok) return answered.value;
  throw Problem.from(answered.refusal);
}

/** As {@link accept}, for a call under way: an object that cannot be reached is our trouble (503), never the caller's. */
export async function ask<T>(call: Promise<Answer<T>>): Promise<T> {
  let answered: Answer<T>;
  try {
    answered = await call;
  } catch (fault) {
    logFault("vault_unreachable", fault);
    throw new Problem("unavailable", "The vault could not be reached. Try again shortly.", {
      retry_after_s: 1,
      cause: fault,
    });
  }
  return accept(answered);
}

function refused(thrown: unknown): { ok: false; refusal: Refusal } {
  if (thrown instanceof Problem) return { ok: false, refusal: thrown.toRefusal() };
  throw thrown;
}
