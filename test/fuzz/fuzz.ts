import { pick, randomOf } from "../support/random.ts";
import type { Coverage } from "./coverage.ts";
import { mutated, smaller, type Fields } from "./mutate.ts";

/** Something that reads what strangers write. */
export type Target = {
  /** Inputs to begin with, all of as many fields. */
  seeds: readonly Fields[];
  /** Texts that its inputs are likely to need, beside those that stand in its source. */
  words?: readonly string[];
  /** Reads an input, and throws where what must hold of it does not. */
  run(fields: Fields): void | Promise<void>;
};

export type Report = {
  executions: number;
  corpus: readonly Fields[];
  failure: { fields: Fields; fault: unknown } | undefined;
};

type Options = {
  coverage: Coverage;
  words: readonly string[];
  seed: number;
  goOn: (executions: number) => boolean;
  corpus?: readonly Fields[];
};

/** A reader that takes so long over four thousand characters can be made to stand still. */
const SLOW_MS = 1_000;

/**
 * Runs a target over and over, on changes of inputs that took new ways. The seed makes every choice, so a run of as many executions
 * is the same run. Ends at the first input of which something does not hold, made as small as it still does not.
 */
export async function fuzz(
  target: Target,
  { coverage, words, seed, goOn, corpus: known = [] }: Options,
): Promise<Report> {
  const random = randomOf(seed);
  const corpus: Fields[] = [];
  let executions = 0;
  const faultOf = async (fields: Fields): Promise<unknown> => {
    executions++;
    coverage.begin();
    const began = process.cpuUsage();
    try {
      await target.run(fields);
    } catch (fault) {
      return fault ?? new Error("it threw nothing");
    }
    const { user, system } = process.cpuUsage(began);
    return user + system > SLOW_MS * 1_000 ? new Error(`it took ${Math.round((user + system) / 1_000)} ms`) : undefined;
  };
  const failed = async (fields: Fields, fault: unknown): Promise<Report> => ({
    executions,
    corpus,
    failure: await smallest({ fields, fault }, faultOf),
  });
  for (const fields of [...target.seeds, ...known]) {
    const fault = await faultOf(fields);
    if (fault !== undefined) return failed(fields, fault);
    if (coverage.isNew() || target.seeds.includes(fields)) corpus.push(fields);
  }
  const given = { random, words: [...words, ...(target.words ?? [])], corpus };
  while (goOn(executions)) {
    // The newest half the time: what was just reached leads on.
    const parent = random() < 0.5 ? pick(random, corpus.slice(-32)) : pick(random, corpus);
    const fields = mutated(parent, given);
    const fault = await faultOf(fields);
    if (fault !== undefined) return failed(fields, fault);
    if (coverage.isNew()) corpus.push(fields);
  }
  return { executions, corpus, failure: undefined };
}

type Failure = NonNullable<Report["failure"]>;

/** The failing input without whatever it fails without too. */
async function smallest(failure: Failure, faultOf: (fields: Fields) => Promise<unknown>): Promise<Failure> {
  for (const fields of smaller(failure.fields)) {
    const fault = await faultOf(fields);
    if (fault !== undefined) return smallest({ fields, fault }, faultOf);
  }
  return failure;
}
