import type { Connection } from "partyserver";
import { isolateName } from "../../isolate.ts";
import { tell, type LeashState, type Told, type Word } from "./telling.ts";

/** A leash that was told to end, and when it has. */
export type Ending = { connection: Connection<LeashState>; rule: string; ended: Promise<void> };

/** So many leashes are told a turn, in so many lanes, each of which then waits so long at most until its turn's have ended. */
type Turns = { size: number; lanes: number; wait_ms: number };

/** What is decided about a leash, and what then becomes of one that is told to end. */
type Telling = {
  decide: (connection: Connection<LeashState>) => Word | undefined;
  end: (connection: Connection<LeashState>) => Promise<void>;
};

/** Rows ended in one step, which is one commit. */
const A_STEP = 32;
/** A moment in which nothing is due: only then does the runtime look at the network. */
const A_BREATH_MS = 1;
/** With ever so many leashes a turn grows, so that the last is told soon all the same. */
const TURNS_AT_MOST = 500;

/**
 * Where the router runs in the vault's own isolate, ending a call is done by the same thread: the next turn waits until that is done, and
 * one lane is at work while the other waits. Where it runs elsewhere the vault's own part is all there is to it, however far away it is.
 */
const HERE: Turns = { size: 6, lanes: 2, wait_ms: 50 };
const ELSEWHERE: Turns = { size: 12, lanes: 1, wait_ms: 0 };

/** Decides some a step, and tells a few a turn so that the vault goes on answering. Answers which of them end. */
export async function tellInTurns(
  open: readonly Connection<LeashState>[],
  telling: Telling,
  [here, elsewhere] = [HERE, ELSEWHERE],
): Promise<Ending[]> {
  const told: Ending[] = [];
  const { near = [], far = [] } = Object.groupBy(open, ({ state }) =>
    state?.router === isolateName() ? "near" : "far",
  );
  await Promise.all([...lanesOf(near, telling, told, here), ...lanesOf(far, telling, told, elsewhere)]);
  return told;
}

function lanesOf(
  open: readonly Connection<LeashState>[],
  { decide, end }: Telling,
  told: Ending[],
  { size, lanes, wait_ms }: Turns,
): Promise<void>[] {
  // What one router hears of together is one word.
  const undecided = [...Map.groupBy(open, ({ state }) => state?.router).values()].flat();
  const decided: Told[] = [];
  const a_turn = Math.max(size, Math.ceil(open.length / TURNS_AT_MOST));
  const lane = async () => {
    for (;;) {
      while (decided.length < a_turn && undecided.length > 0)
        for (const connection of undecided.splice(0, A_STEP)) decided.push({ connection, word: decide(connection) });
      const turn = decided.splice(0, a_turn);
      const ends = turn.flatMap(({ connection, word }) =>
        word !== undefined && "ends" in word ? { connection, rule: word.ends, ended: end(connection) } : [],
      );
      told.push(...ends);
      tell(turn);
      if (turn.length < a_turn) return;
      if (wait_ms > 0) await within(wait_ms, Promise.all(ends.map(({ ended }) => ended)));
      await scheduler.wait(A_BREATH_MS);
    }
  };
  return Array.from({ length: lanes }, lane);
}

/** Has it come within that time? */
export function within(ms: number, coming: Promise<unknown>): Promise<boolean> {
  return Promise.race([coming.then(() => true), scheduler.wait(ms).then(() => false)]);
}
