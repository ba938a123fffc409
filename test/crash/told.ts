import type { LocalLocker } from "../../src/local/serve.ts";
import { personOf, type Person } from "../../src/local/person.ts";
import { pick, type Random } from "../support/random.ts";
import type { Upstream } from "../support/upstream.ts";
import { askAs, Fact, Unanswered, type Answered } from "./asking.ts";
import type { FamilyIs, Here } from "./families.ts";
import { Log } from "./log.ts";

/** A key's secret, or that it is no more. */
export type KeyIs = { secret: Fact<string>; standing: Fact<"live" | "paused" | "deleted"> };
export type TokenIs = { id: string; token: string; standing: Fact<"live" | "paused" | "revoked"> };
/** Something that is made once however often it is asked for; the answer may have been lost. */
export type Wish = {
  repeatable: string;
  method: string;
  path: string;
  body: Record<string, unknown>;
  answered: boolean;
};

/** How often the limited token may be used. */
export const MAX_USES = 40;

/** What one vault was told, what it acknowledged, and what was found that should not be. */
export class Told {
  readonly violations: string[] = [];
  readonly counts = { calls: 0, changes: 0, refreshes: 0, unanswered: 0 };
  readonly keys = new Map<string, KeyIs>();
  readonly tokens: TokenIs[] = [];
  readonly families: FamilyIs[] = [];
  readonly wishes: Wish[] = [];
  readonly email: string;
  readonly upstream: Upstream;
  readonly log: Log;
  /** A token that nothing stops, and one for {@link MAX_USES} uses. */
  main = "";
  limited = "";
  #here: Here;
  #numbered = 0;

  constructor(email: string, here: Here, upstream: Upstream) {
    this.email = email;
    this.upstream = upstream;
    this.log = new Log(upstream, email, MAX_USES);
    this.#here = here;
  }

  /** Where everything is now: after a restart it is another runtime. */
  get here(): Here {
    return this.#here;
  }

  moveTo(locker: LocalLocker): void {
    this.#here = { locker, person: personOf(locker.publicOrigin, this.person.cookie) };
  }

  get person(): Person {
    return this.#here.person;
  }

  /** A number that nothing else has here. */
  next(): number {
    return this.#numbered++;
  }

  ask(method: string, path: string, more: { body?: unknown; repeatable?: string } = {}): Promise<Answered> {
    return askAs(this.person, method, path, more);
  }

  /** Said again with the same Idempotency-Key after a lost answer, it must come to the same and not to a second one. */
  async wish(path: string, body: Record<string, unknown>): Promise<Answered> {
    const wish: Wish = { repeatable: `wish-${this.next()}`, method: "POST", path, body, answered: false };
    this.wishes.push(wish);
    const answer = await this.ask(wish.method, path, wish);
    wish.answered = true;
    return expecting([201], answer);
  }

  /** A call. Its head is the acknowledgement: a row for it is durable. */
  async call(token: string, key: string, what: string): Promise<{ status: number; path: string }> {
    const path = `/${what}/${this.email}/${this.next()}`;
    let answer: Response;
    try {
      answer = await fetch(`${this.#here.locker.proxyOrigin}/v1/proxy/${key}${path}`, {
        headers: { authorization: `Bearer ${token}` },
      });
    } catch (fault) {
      throw new Unanswered(path, { cause: fault });
    }
    this.log.answered(path, answer.status, answer.headers.get("apilocker-request-id"));
    try {
      await answer.arrayBuffer();
    } catch (fault) {
      throw new Unanswered(path, { cause: fault });
    }
    if (answer.status >= 500) throw new Unanswered(String(answer.status));
    return { status: answer.status, path };
  }

  liveKeys(): string[] {
    const names = [...this.keys].filter(([, { standing }]) => standing.sure === "live").map(([name]) => name);
    return names.length === 0 ? ["k"] : names;
  }

  /** One of the person's keys but the one that callers count on, with nobody else at it meanwhile; false where there is none. */
  async withKey(random: Random, work: (name: string, key: KeyIs) => Promise<void>): Promise<boolean> {
    const name = pick(random, this.liveKeys());
    const key = this.keys.get(name);
    if (name === "k" || key === undefined) return false;
    this.keys.delete(name);
    try {
      await work(name, key);
    } finally {
      this.keys.set(name, key);
    }
    return true;
  }

  /** The same of the tokens. */
  async withToken(random: Random, work: (token: TokenIs) => Promise<void>): Promise<boolean> {
    const idle = this.tokens.filter(({ standing, token }) => standing.sure === "live" && token !== this.main);
    const token = pick(random, idle) as TokenIs | undefined;
    if (token === undefined) return false;
    this.tokens.splice(this.tokens.indexOf(token), 1);
    try {
      await work(token);
    } finally {
      this.tokens.push(token);
    }
    return true;
  }
}

export function expecting(statuses: readonly number[], answer: Answered): Answered {
  if (!statuses.includes(answer.status)) throw new Error(`answered ${answer.status} ${JSON.stringify(answer.json)}`);
  return answer;
}
