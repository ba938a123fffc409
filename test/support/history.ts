/** What callers saw, and whether it could have been: the promise "revoked means stopped" as a check of a history. */

/** One call: when it began and ended (ms, one clock), and whether it was let through. */
export type CallSeen = { subject: string; began: number; ended: number; passed: boolean };

/** One change of a subject's standing: when it was asked for and when it was answered. */
export type ChangeSeen = { subject: string; asked: number; answered: number; stops: boolean };

/**
 * Calls that broke the promise. A call that begins after a stop was answered may pass only if a start was asked for before the
 * call ended; a call that lies wholly in a time when nothing stopped its subject may not be refused.
 */
export function violations(calls: readonly CallSeen[], changes: readonly ChangeSeen[]): CallSeen[] {
  return calls.filter((call) => {
    const mine = changes.filter(({ subject }) => subject === call.subject);
    return call.passed ? mustBeRefused(call, mine) : mustPass(call, mine);
  });
}

function mustBeRefused({ began, ended }: CallSeen, changes: readonly ChangeSeen[]): boolean {
  const last = lastAnsweredBefore(began, changes);
  if (last?.stops !== true) return false;
  // A start that was under way at any time since may have taken effect before the call was judged.
  return !changes.some(({ stops, asked, answered }) => !stops && asked < ended && answered > last.answered);
}

function mustPass({ began, ended }: CallSeen, changes: readonly ChangeSeen[]): boolean {
  const last = lastAnsweredBefore(began, changes);
  if (last?.stops === true) return false;
  return !changes.some(
    ({ stops, asked, answered }) => stops && asked < ended && answered > (last?.answered ?? -Infinity),
  );
}

function lastAnsweredBefore(moment: number, changes: readonly ChangeSeen[]): ChangeSeen | undefined {
  return changes
    .filter(({ answered }) => answered < moment)
    .reduce<ChangeSeen | undefined>(
      (latest, change) => (latest === undefined || change.answered > latest.answered ? change : latest),
      undefined,
    );
}
