import type { Person } from "../../src/local/person.ts";

/** The runtime went before it answered: what was asked for may have been done or not. */
export class Unanswered extends Error {}

/** An answer that nothing can take back any more. */
export type Answered = { status: number; headers: Headers; json: Record<string, unknown> };

/** Asks once. A connection that breaks before the whole answer is there is {@link Unanswered}; so is a fault of the service's own. */
export async function ask(url: string, init: RequestInit = {}): Promise<Answered> {
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(url, { redirect: "manual", ...init });
    text = await answer.text();
  } catch (fault) {
    throw new Unanswered(url, { cause: fault });
  }
  if (answer.status >= 500) throw new Unanswered(`${answer.status} ${text}`);
  const json = answer.headers.get("content-type")?.includes("json") === true ? JSON.parse(text) : {};
  return { status: answer.status, headers: answer.headers, json };
}

/** As a person's own pages do; with a `repeatable` key it is done once however often it is asked for. */
export function askAs(
  { origin, cookie }: Person,
  method: string,
  path: string,
  { body, repeatable }: { body?: unknown; repeatable?: string } = {},
): Promise<Answered> {
  return ask(origin + path, {
    method,
    headers: {
      cookie,
      origin,
      "sec-fetch-site": "same-origin",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(repeatable === undefined ? {} : { "idempotency-key": repeatable }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Asks until it is answered: connections that were kept for a runtime that is gone fail once each. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let left = 50; ; left--) {
    try {
      return await work();
    } catch (fault) {
      if (left === 0 || !(fault instanceof Unanswered || fault instanceof TypeError)) throw fault;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/**
 * What something may be: one thing once a change of it was answered, several while one was not. Each has one writer.
 */
export class Fact<T> {
  #may: readonly T[];

  constructor(...may: readonly T[]) {
    this.#may = may;
  }

  /** A change is asked for: from now on it may be so, and once that is answered nothing else. */
  async becomes<R>(next: T, asked: Promise<R>): Promise<R> {
    this.#may = [...this.#may, next];
    const answer = await asked;
    this.#may = [next];
    return answer;
  }

  get may(): readonly T[] {
    return this.#may;
  }

  /** What it is, as far as anybody knows for certain. */
  get sure(): T | undefined {
    return this.#may.length === 1 ? this.#may[0] : undefined;
  }

  /** It was looked at: what could not be is a violation; from now on it is that. */
  found(value: T): boolean {
    const could = this.#may.includes(value);
    this.#may = [value];
    return could;
  }
}
