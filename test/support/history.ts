/** What callers saw, and whether it could have been: the promise "revoked means stopped" as a check of a history. */

/**
 * One call: what it hangs on (its token, its key, its vault), when it began and ended (ms, one clock), and whether it was let
 * through.
 */
export type CallSeen = { subjects: readonly string[]; began: number; ended: number; passed: boolean };

/**
 * One change of a subject's standing: when it was asked for and when it was answered. One that was never answered may have taken
 * effect or not, at any time up to `answered`, when the runtime that was asked was gone.
 */
export type ChangeSeen = { subject: string; asked: number; answered: number; stops: boolean; unknown?: boolean };

/**
 * Calls that broke the promise. A call that begins after a stop of anything it hangs on was answered may pass only if a start was
 * asked for before the call ended; a call that lies wholly in a time when nothing stopped any of it may not be refused.
 */
export function violations<Call extends CallSeen>(calls: readonly Call[], changes: readonly ChangeSeen[]): Call[] {
  const by_subject = Map.groupBy(changes, ({ subject }) => subject);
  return calls.filter((call) => {
    const each = call.subjects.map((subject) => by_subject.get(subject) ?? []);
    if (call.passed) return each.some((mine) => mustBeRefused(call, mine));
    return each.every((mine) => mustPass(call, mine));
  });
}

/**
 * Paths that reached the upstream and should not have: twice, or of a call that was refused. One that was let through and then cut
 * may have arrived: a stop of something it hangs on was under way while it was.
 */
export function wronglyArrived(
  arrived: readonly string[],
  calls: readonly (CallSeen & { path: string })[],
  changes: readonly ChangeSeen[],
  broken: readonly string[] = [],
): string[] {
  const may = new Set([
    ...calls.filter((call) => call.passed || mayBeCut(call, changes)).map(({ path }) => path),
    ...broken,
  ]);
  return arrived.filter((path) => !may.delete(path));
}

function mayBeCut({ subjects, began, ended }: CallSeen, changes: readonly ChangeSeen[]): boolean {
  return changes.some(
    ({ subject, stops, asked, answered }) => stops && subjects.includes(subject) && asked < ended && answered > began,
  );
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
    .filter(({ answered, unknown }) => answered < moment && unknown !== true)
    .reduce<ChangeSeen | undefined>(
      (latest, change) => (latest === undefined || change.answered > latest.answered ? change : latest),
      undefined,
    );
}
