import { signIn, personOf, type Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import type { Random } from "../support/random.ts";
import { pick } from "../support/random.ts";
import type { Upstream } from "../support/upstream.ts";
import { askAs, Fact, patiently, Unanswered, type Answered } from "./asking.ts";
import { appFamily, lives, oauthFamily, type FamilyIs, type Here } from "./families.ts";
import { Log } from "./log.ts";

/** A key's secret, or that it is no more. */
type KeyIs = { secret: Fact<string>; standing: Fact<"live" | "paused" | "deleted"> };
type TokenIs = { id: string; token: string; standing: Fact<"live" | "paused" | "revoked"> };
/** Something that is made once however often it is asked for; the answer may have been lost. */
type Wish = { repeatable: string; method: string; path: string; body: Record<string, unknown>; answered: boolean };

const CALLERS = 6;
const OWNERS = 3;
const MAX_USES = 40;
const GONE = "deleted";

/** What one vault was told, and what it acknowledged: the mixed load, and afterwards the questions whether all of it still holds. */
export class Life {
  readonly violations: string[] = [];
  readonly counts = { calls: 0, changes: 0, refreshes: 0, unanswered: 0 };
  readonly #email: string;
  readonly #upstream: Upstream;
  readonly #keys = new Map<string, KeyIs>();
  readonly #tokens: TokenIs[] = [];
  readonly #families: FamilyIs[] = [];
  readonly #wishes: Wish[] = [];
  readonly #log: Log;
  #limited = "";
  #main = "";
  #person: Person;
  #locker: LocalLocker;
  #made = 0;

  private constructor(email: string, person: Person, locker: LocalLocker, upstream: Upstream) {
    this.#email = email;
    this.#person = person;
    this.#locker = locker;
    this.#upstream = upstream;
    this.#log = new Log(upstream, MAX_USES);
  }

  static async begin(email: string, locker: LocalLocker, upstream: Upstream): Promise<Life> {
    const life = new Life(email, await patiently(() => signIn(locker.publicOrigin, email)), locker, upstream);
    await life.#furnish();
    return life;
  }

  get arrived(): number {
    return this.#log.arrived.length;
  }

  get rows(): number {
    return this.#log.size;
  }

  async #furnish(): Promise<void> {
    await this.#store("k");
    const made = await this.#mint();
    this.#main = made.token;
    const { json } = await askAs(this.#person, "POST", "/v1/tokens", {
      body: { name: "limited", policy: { max_uses: MAX_USES } },
    });
    this.#limited = String(json.token);
    await this.#openAppFamily();
    await this.#openOAuthFamily();
  }

  /** Everything at once until the runtime is gone. Every choice comes from the random source. */
  async live(locker: LocalLocker, random: Random, over: AbortSignal): Promise<void> {
    this.#locker = locker;
    this.#person = personOf(locker.publicOrigin, this.#person.cookie);
    const actors = [
      ...Array.from({ length: CALLERS }, (_, name) => () => this.#call(`c${name}`, random)),
      ...Array.from({ length: OWNERS }, () => () => this.#change(random)),
      ...this.#families.map((family) => () => this.#refresh(family)),
      () => this.#useLimited(),
    ];
    await Promise.all(actors.map((step) => this.#untilItFalls(step, over)));
  }

  async #untilItFalls(step: () => Promise<void>, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      try {
        await step();
      } catch (fault) {
        if (!(fault instanceof Unanswered) && !brokeOff(fault)) this.violations.push(`while it ran: ${String(fault)}`);
        this.counts.unanswered++;
        return;
      }
    }
  }

  /** A call by a token that nothing stops; some stream for a while. Its head is the acknowledgement: a row for it is durable. */
  async #call(who: string, random: Random): Promise<void> {
    const key = random() < 0.5 ? "k" : pick(random, this.#liveKeys());
    const answer = await this.#proxied(this.#main, key, random() < 0.1 ? `slow-${who}` : who);
    this.counts.calls++;
    if (![200, 404, 423].includes(answer.status)) this.violations.push(`a call was answered ${answer.status}`);
  }

  async #proxied(token: string, key: string, what: string): Promise<{ status: number; path: string }> {
    const path = `/${what}/${this.#email}/${this.#made++}`;
    let answer: Response;
    try {
      answer = await fetch(`${this.#locker.proxyOrigin}/v1/proxy/${key}${path}`, {
        headers: { authorization: `Bearer ${token}` },
      });
    } catch (fault) {
      throw new Unanswered(path, { cause: fault });
    }
    this.#log.answered(path, answer.status, answer.headers.get("apilocker-request-id"));
    try {
      await answer.arrayBuffer();
    } catch (fault) {
      throw new Unanswered(path, { cause: fault });
    }
    if (answer.status >= 500) throw new Unanswered(String(answer.status));
    return { status: answer.status, path };
  }

  async #useLimited(): Promise<void> {
    const { status } = await this.#proxied(this.#limited, "k", "limited");
    if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  async #change(random: Random): Promise<void> {
    const changes = [
      () => this.#store(`s${this.#made++}`),
      () => this.#rotate(random),
      () => this.#rotate(random),
      () => this.#pauseKey(random),
      () => this.#deleteKey(random),
      () => this.#mint(),
      () => this.#pauseToken(random),
      () => this.#revokeToken(random),
      () => this.#endFamily(random),
      () => this.#comeAndGo(),
    ];
    await pick(random, changes)();
    this.counts.changes++;
  }

  /** Said again with the same Idempotency-Key after a lost answer, it must come to the same and not to a second one. */
  async #wish(path: string, body: Record<string, unknown>): Promise<Answered> {
    const wish: Wish = { repeatable: `wish-${this.#made++}`, method: "POST", path, body, answered: false };
    this.#wishes.push(wish);
    const answer = await askAs(this.#person, wish.method, path, wish);
    wish.answered = true;
    return expecting([201], answer);
  }

  async #store(name: string): Promise<void> {
    const secret = `sk-${name}-0123456789abcdef`;
    const stored: KeyIs = { secret: new Fact(secret), standing: new Fact<"live" | "paused" | "deleted">("live") };
    const body = { name, provider: "custom", secret, base_url: this.#upstream.origin };
    await this.#wish("/v1/keys", body);
    this.#keys.set(name, stored);
  }

  #liveKeys(): string[] {
    const names = [...this.#keys].filter(([, { standing }]) => standing.sure === "live").map(([name]) => name);
    return names.length === 0 ? ["k"] : names;
  }

  /** One of the person's keys but the one that callers count on, with nobody else at it meanwhile. */
  async #withKey(random: Random, work: (name: string, key: KeyIs) => Promise<void>): Promise<void> {
    const name = pick(random, this.#liveKeys());
    const key = this.#keys.get(name);
    if (name === "k" || key === undefined) return this.#store(`s${this.#made++}`);
    this.#keys.delete(name);
    try {
      await work(name, key);
    } finally {
      this.#keys.set(name, key);
    }
  }

  #rotate(random: Random): Promise<void> {
    return this.#withKey(random, async (name, key) => {
      const secret = `sk-${name}-${this.#made++}-0123456789abcdef`;
      const asked = askAs(this.#person, "POST", `/v1/keys/${name}/rotate`, { body: { secret } });
      expecting([200], await key.secret.becomes(secret, asked));
    });
  }

  #pauseKey(random: Random): Promise<void> {
    return this.#withKey(random, async (name, key) => {
      expecting([200], await key.standing.becomes("paused", askAs(this.#person, "POST", `/v1/keys/${name}/pause`)));
      const { status } = await this.#proxied(this.#main, name, "paused");
      if (status !== 423) this.violations.push(`a paused key was used: ${status}`);
      expecting([200], await key.standing.becomes("live", askAs(this.#person, "POST", `/v1/keys/${name}/resume`)));
    });
  }

  #deleteKey(random: Random): Promise<void> {
    return this.#withKey(random, async (name, key) => {
      expecting([200], await key.standing.becomes(GONE, askAs(this.#person, "DELETE", `/v1/keys/${name}`)));
    });
  }

  async #mint(): Promise<TokenIs> {
    const { json } = await this.#wish("/v1/tokens", { name: `t${this.#made++}` });
    const standing = new Fact<"live" | "paused" | "revoked">("live");
    const made = { id: String(json.id), token: String(json.token), standing };
    this.#tokens.push(made);
    return made;
  }

  async #withToken(random: Random, work: (token: TokenIs) => Promise<void>): Promise<void> {
    const token = pick(
      random,
      this.#tokens.filter(({ standing, token }) => standing.sure === "live" && token !== this.#main),
    ) as TokenIs | undefined;
    if (token === undefined) return void (await this.#mint());
    this.#tokens.splice(this.#tokens.indexOf(token), 1);
    try {
      await work(token);
    } finally {
      this.#tokens.push(token);
    }
  }

  #pauseToken(random: Random): Promise<void> {
    return this.#withToken(random, async ({ id, token, standing }) => {
      expecting([200], await standing.becomes("paused", askAs(this.#person, "POST", `/v1/tokens/${id}/pause`)));
      const { status } = await this.#proxied(token, "k", "paused");
      if (status !== 423) this.violations.push(`a paused token was used: ${status}`);
      expecting([200], await standing.becomes("live", askAs(this.#person, "POST", `/v1/tokens/${id}/resume`)));
    });
  }

  #revokeToken(random: Random): Promise<void> {
    return this.#withToken(random, async ({ id, standing }) => {
      expecting([200], await standing.becomes("revoked", askAs(this.#person, "DELETE", `/v1/tokens/${id}`)));
    });
  }

  async #openAppFamily(): Promise<void> {
    const { json } = await this.#wish("/v1/tokens", { name: `r${this.#made++}`, rotation: "hourly" });
    const made = json as { id: string; token: string; refresh_token: string };
    this.#families.push(appFamily(() => this.#here(), made));
  }

  async #openOAuthFamily(): Promise<void> {
    this.#families.push(await oauthFamily(() => this.#here()));
  }

  /** Where everything is now: after a restart it is another runtime. */
  #here(): Here {
    return { locker: this.#locker, person: this.#person };
  }

  /** Two processes of one client at once: they get the same, and whoever lost an answer gets it by asking again. */
  async #refresh(family: FamilyIs): Promise<void> {
    if (!lives(family)) return void (await new Promise((resolve) => setTimeout(resolve, 50)));
    const { refresh_token } = family;
    const both = await Promise.allSettled([family.refresh(refresh_token), family.refresh(refresh_token)]);
    for (const one of both) if (one.status === "rejected") throw one.reason;
    const [first, second] = both.map((one) => (one.status === "fulfilled" ? one.value : undefined));
    if (!lives(family)) return;
    if (first === undefined || second === undefined) {
      if (family.revoked.may.length === 1) this.violations.push("an honest refresh was refused");
      return;
    }
    if (first.refresh_token !== second.refresh_token) this.violations.push("one generation has two successors");
    family.refresh_token = first.refresh_token;
    family.access.push(first.access);
    this.counts.refreshes++;
  }

  async #endFamily(random: Random): Promise<void> {
    const family = pick(random, this.#families);
    // Rarely: a family is worth most while it lives.
    if (!lives(family) || this.#families.length > 6 || random() > 0.1) return;
    await family.revoked.becomes(
      true,
      family.revoke().then((answer) => expecting([200], answer)),
    );
    if (random() < 0.5) await this.#openAppFamily();
    else await this.#openOAuthFamily();
  }

  /** A whole account: made, used, deleted. What comes of one that is never answered is looked at by its next visitor. */
  async #comeAndGo(): Promise<void> {
    const email = `${this.#made++}-${this.#email}`;
    const guest = await signIn(this.#locker.publicOrigin, email);
    const stored = { name: "g", provider: "custom", secret: "sk-guest-0123456789", base_url: this.#upstream.origin };
    expecting([201], await askAs(guest, "POST", "/v1/keys", { body: stored }));
    const { json } = expecting([201], await askAs(guest, "POST", "/v1/tokens", { body: { name: "g" } }));
    expecting([200], await askAs(guest, "DELETE", "/v1/me"));
    const { status } = await this.#proxied(String(json.token), "g", "guest");
    if (status !== 401) this.violations.push(`a token of a deleted account was answered ${status}`);
  }

  /** After a restart: is all that was acknowledged still so, and nothing half done? */
  async look(locker: LocalLocker): Promise<void> {
    this.#locker = locker;
    this.#person = personOf(locker.publicOrigin, this.#person.cookie);
    await patiently(() => askAs(this.#person, "GET", "/v1/me"));
    await this.#lookAtWishes();
    await inPieces([...this.#keys], ([name, key]) => this.#lookAtKey(name, key));
    await inPieces(this.#tokens, (token) => this.#lookAtToken(token));
    await inPieces(this.#families, (family) => this.#lookAtFamily(family));
    const amiss = await patiently(() => this.#log.look(this.#here()));
    this.violations.push(...amiss);
  }

  /** What was never answered is asked for again: it is done once, whether it had been done or not. */
  async #lookAtWishes(): Promise<void> {
    for (const wish of this.#wishes.filter(({ answered }) => !answered)) {
      const answer = await patiently(() => askAs(this.#person, wish.method, wish.path, wish));
      wish.answered = true;
      if (answer.status !== 201) {
        this.violations.push(`asked again after a lost answer: ${answer.status} ${JSON.stringify(answer.json)}`);
        continue;
      }
      const { name, secret, rotation } = wish.body as { name: string; secret?: string; rotation?: string };
      if (secret !== undefined) this.#keys.set(name, { secret: new Fact(secret), standing: new Fact("live" as const) });
      else if (rotation === undefined)
        this.#tokens.push({ ...(answer.json as { id: string; token: string }), standing: new Fact("live" as const) });
    }
    const { json } = await patiently(() => askAs(this.#person, "GET", "/v1/tokens?limit=200"));
    const names = (json.items as { name: string }[]).map(({ name }) => name);
    const twice = names.filter((name, at) => names.indexOf(name) !== at);
    if (twice.length > 0) this.violations.push(`made twice: ${twice.join()}`);
  }

  async #lookAtKey(name: string, key: KeyIs): Promise<void> {
    const { status, path } = await patiently(() => this.#proxied(this.#main, name, "look"));
    const standing = ({ 200: "live", 423: "paused", 404: "deleted" } as const)[status];
    if (standing === undefined) return void this.violations.push(`the key ${name} is answered ${status}`);
    if (!key.standing.found(standing)) this.violations.push(`the key ${name} is ${standing}`);
    if (standing === "paused") {
      const resume = patiently(() => askAs(this.#person, "POST", `/v1/keys/${name}/resume`));
      await key.standing.becomes("live", resume);
    }
    if (standing !== "live") return;
    const sent = this.#upstream.seen.findLast(({ url }) => url === path)?.headers.authorization;
    if (!key.secret.found(String(sent).replace(/^Bearer /, "")))
      this.violations.push(`the key ${name} sent another secret`);
  }

  async #lookAtToken({ id, token, standing }: TokenIs): Promise<void> {
    const { status } = await patiently(() => this.#proxied(token, "k", "look"));
    const found = ({ 200: "live", 423: "paused", 401: "revoked" } as const)[status];
    if (found === undefined || !standing.found(found)) this.violations.push(`a token is answered ${status}`);
    if (found !== "paused") return;
    await standing.becomes(
      "live",
      patiently(() => askAs(this.#person, "POST", `/v1/tokens/${id}/resume`)),
    );
  }

  async #lookAtFamily(family: FamilyIs): Promise<void> {
    const next = await patiently(() => family.refresh(family.refresh_token));
    if (!family.revoked.found(next === undefined))
      this.violations.push(next === undefined ? "a family is dead" : "a family that was ended lives");
    const works = async (token: string) => (await patiently(() => this.#proxied(token, "k", "look"))).status === 200;
    if (next === undefined) {
      for (const token of family.access.slice(-3))
        if (await works(token)) this.violations.push("an access token of an ended family works");
      return;
    }
    family.refresh_token = next.refresh_token;
    family.access.push(next.access);
    if (!(await works(next.access))) this.violations.push("a fresh access token does not work");
    const old = family.access.at(-5);
    if (old !== undefined && (await works(old))) this.violations.push("an access token of long ago works");
  }

  /** Nothing is under way any more: what the crashes left pending has been given its end. */
  async lookAtTheEnd(): Promise<void> {
    await this.#log.look(this.#here());
    this.violations.push(...this.#log.pending());
  }
}

function expecting(statuses: readonly number[], answer: Answered): Answered {
  if (!statuses.includes(answer.status)) throw new Error(`answered ${answer.status} ${JSON.stringify(answer.json)}`);
  return answer;
}

function brokeOff(fault: unknown): boolean {
  return fault instanceof TypeError || (fault instanceof Error && /signing in|Signing in|\b503\b/.test(fault.message));
}

/** A few at a time. */
async function inPieces<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += 16) await Promise.all(items.slice(at, at + 16).map(work));
}
