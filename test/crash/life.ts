import { signIn } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import type { Random } from "../support/random.ts";
import type { Upstream } from "../support/upstream.ts";
import { patiently } from "./asking.ts";
import { furnish, load } from "./load.ts";
import { look, lookAtTheEnd } from "./questions.ts";
import { Told } from "./told.ts";

/** One vault, lived in: the mixed load on it, and afterwards the questions whether all that it acknowledged still holds. */
export class Life {
  readonly #told: Told;

  private constructor(told: Told) {
    this.#told = told;
  }

  static async begin(email: string, locker: LocalLocker, upstream: Upstream): Promise<Life> {
    const person = await patiently(() => signIn(locker.publicOrigin, email));
    const told = new Told(email, { locker, person }, upstream);
    await furnish(told);
    return new Life(told);
  }

  get violations(): readonly string[] {
    return this.#told.violations;
  }

  get counts(): Readonly<Told["counts"]> {
    return this.#told.counts;
  }

  get arrived(): number {
    return this.#told.log.arrived.length;
  }

  get rows(): number {
    return this.#told.log.size;
  }

  async live(locker: LocalLocker, random: Random, over: AbortSignal): Promise<void> {
    this.#told.moveTo(locker);
    await load(this.#told, random, over);
  }

  async look(locker: LocalLocker): Promise<void> {
    this.#told.moveTo(locker);
    await look(this.#told);
  }

  async lookAtTheEnd(): Promise<void> {
    await lookAtTheEnd(this.#told);
  }
}
