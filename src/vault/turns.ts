/** Lets a few do something at a time, and nobody two things; the others wait in the order in which they came. */
export class Turns {
  #free: number;
  readonly #busy = new Set<string>();
  readonly #waiting: { who: string; begin: () => void }[] = [];

  constructor(at_once: number) {
    this.#free = at_once;
  }

  async take<T>(who: string, work: () => Promise<T>): Promise<T> {
    if (this.#free > 0 && !this.#busy.has(who)) this.#begin(who);
    else await new Promise<void>((resolve) => this.#waiting.push({ who, begin: resolve }));
    try {
      return await work();
    } finally {
      this.#end(who);
    }
  }

  #begin(who: string): void {
    this.#free--;
    this.#busy.add(who);
  }

  #end(who: string): void {
    this.#free++;
    this.#busy.delete(who);
    const index = this.#waiting.findIndex((waiting) => !this.#busy.has(waiting.who));
    const [next] = index === -1 ? [] : this.#waiting.splice(index, 1);
    if (next === undefined) return;
    this.#begin(next.who);
    next.begin();
  }
}
