import type { Upstream } from "../support/upstream.ts";
import { askAs } from "./asking.ts";
import type { Here } from "./families.ts";
import { verdictOn, type Verdict } from "../support/verdict.ts";

type Row = { id: string; hash: string; path: string | undefined; outcome: string };

/** Rows under way at the last look may have got their end since: so many are read again, and at the end all. */
const READ_AGAIN = 400;

/** What callers were told, what the upstream saw, and what the log says of both. */
export class Log {
  readonly #upstream: Upstream;
  readonly #email: string;
  readonly #max_uses: number;
  /** Ids of rows that a caller was told. */
  readonly #told = new Set<string>();
  /** Paths of calls that were refused: nothing of them may be seen upstream. */
  readonly #refused = new Set<string>();
  readonly #rows = new Map<number, Row>();
  #limited = 0;

  constructor(upstream: Upstream, email: string, max_uses: number) {
    this.#upstream = upstream;
    this.#email = email;
    this.#max_uses = max_uses;
  }

  /** Paths that this vault's calls brought to the upstream; others' vaults use it too. */
  get arrived(): string[] {
    return this.#upstream.seen.map(({ url }) => url).filter((url) => url.includes(`/${this.#email}/`));
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The head of an answer came: with a 200 a row for it is durable. */
  answered(path: string, status: number, request_id: string | null): void {
    if (status === 200) this.#told.add(request_id ?? `a call without the id of a row: ${path}`);
    else if (status < 500) this.#refused.add(path);
    if (status === 200 && path.startsWith("/limited/")) this.#limited++;
  }

  /** Every use has its row, once; no number is missing; what was there has not changed; the chain is whole. Answers what is not so. */
  async look({ person }: Here, read_again = READ_AGAIN): Promise<string[]> {
    const amiss: string[] = [];
    const verdict = await verdictOn(
      async (method, body) => (await askAs(person, method, "/v1/activity/verify", { body })).json as Verdict,
    );
    if (verdict.ok !== true) amiss.push(`the chain: ${JSON.stringify(verdict)}`);
    const known = Math.max(0, ...this.#rows.keys());
    let lowest = Infinity;
    for (let cursor = ""; lowest > known - read_again;) {
      const page = (await askAs(person, "GET", `/v1/activity?limit=200${cursor}`)).json as {
        items: { seq: number; id: string; hash: string; path?: string; outcome: string }[];
        next_cursor?: string;
      };
      for (const { seq, id, hash, path, outcome } of page.items) {
        const before = this.#rows.get(seq);
        if (before !== undefined && (before.id !== id || before.hash !== hash))
          amiss.push(`row ${seq} is another one now`);
        this.#rows.set(seq, { id, hash, path, outcome });
        lowest = Math.min(lowest, seq);
      }
      if (page.next_cursor === undefined) break;
      cursor = `&cursor=${page.next_cursor}`;
    }
    const head = Math.max(...this.#rows.keys());
    if (this.#rows.size !== head) amiss.push(`${head - this.#rows.size} rows are missing of ${head}`);
    const ids = new Set([...this.#rows.values()].map(({ id }) => id));
    if (ids.size !== this.#rows.size) amiss.push("an id stands in two rows");
    for (const id of this.#told) if (!ids.has(id)) amiss.push(`a call that was let through has no row: ${id}`);
    this.#told.clear();
    return [...amiss, ...this.#lookAtArrivals()];
  }

  /** Every use that reached the upstream has its row; none arrived twice, none that was refused, none beyond its limit. */
  #lookAtArrivals(): string[] {
    const amiss: string[] = [];
    const outcomes = new Map([...this.#rows.values()].map(({ path, outcome }) => [path, outcome]));
    const { arrived } = this;
    if (new Set(arrived).size !== arrived.length) amiss.push("a call arrived twice");
    for (const url of arrived) {
      const outcome = outcomes.get(url);
      // The rows of an account that came and went are gone with it.
      if (outcome === undefined && !url.startsWith("/guest/")) amiss.push(`arrived without a row: ${url}`);
      // Its key was stopped while it was under way: then its row says so.
      if (this.#refused.has(url) && outcome !== "cut") amiss.push(`${outcome}, and arrived: ${url}`);
    }
    const uses = Math.max(this.#limited, arrived.filter((url) => url.startsWith("/limited/")).length);
    if (uses > this.#max_uses) amiss.push(`a token for ${this.#max_uses} uses had ${uses}`);
    return amiss;
  }

  /** Rows without an end, long after everything has ended. */
  pending(): string[] {
    const pending = [...this.#rows].filter(([, { outcome }]) => outcome === "pending");
    return pending.map(([seq]) => `row ${seq} is pending long after`);
  }
}
