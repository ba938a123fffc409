import { signIn, personOf, type Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { connect, tokenRequest, type OAuthClient } from "../support/oauth.ts";
import type { Random } from "../support/random.ts";
import { pick } from "../support/random.ts";
import type { Upstream } from "../support/upstream.ts";
import { ask, askAs, Fact, patiently, Unanswered, type Answered } from "./asking.ts";

/** A key's secret, or that it is no more. */
type KeyIs = { secret: Fact<string>; standing: Fact<"live" | "paused" | "deleted"> };
type TokenIs = { id: string; token: string; standing: Fact<"live" | "paused" | "revoked"> };
type FamilyIs = {
  refresh_token: string;
  /** One access token a generation, as far as answers came. */
  access: string[];
  revoked: Fact<boolean>;
  refresh: (refresh_token: string) => Promise<{ access: string; refresh_token: string } | undefined>;
  revoke: () => Promise<Answered>;
};
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
  /** Ids of rows that a caller was told. */
  readonly #told = new Set<string>();
  /** Paths of calls that were refused: nothing of them may be seen upstream. */
  readonly #refused = new Set<string>();
  readonly #arrived_before: number;
  readonly #rows = new Map<number, { id: string; hash: string; path: string | undefined; outcome: string }>();
  #limited: { token: string; passed: number } = { token: "", passed: 0 };
  #main = "";
  #person: Person;
  #locker: LocalLocker;
  #made = 0;

  private constructor(email: string, person: Person, locker: LocalLocker, upstream: Upstream) {
    this.#email = email;
    this.#person = person;
    this.#locker = locker;
    this.#upstream = upstream;
    this.#arrived_before = upstream.seen.length;
  }

  static async begin(email: string, locker: LocalLocker, upstream: Upstream): Promise<Life> {
    const life = new Life(email, await patiently(() => signIn(locker.publicOrigin, email)), locker, upstream);
    await life.#furnish();
    return life;
  }

  get arrived(): number {
    return this.#upstream.seen.length - this.#arrived_before;
  }

  get rows(): number {
    return this.#rows.size;
  }

  async #furnish(): Promise<void> {
    await this.#store("k");
    const made = await this.#mint();
    this.#main = made.token;
    const { json } = await askAs(this.#person, "POST", "/v1/tokens", {
      body: { name: "limited", policy: { max_uses: MAX_USES } },
    });
    this.#limited = { token: String(json.token), passed: 0 };
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
    const id = answer.headers.get("apilocker-request-id");
    if (answer.status === 200) this.#told.add(id ?? `a call without the id of a row: ${path}`);
    else if (answer.status < 500) this.#refused.add(path);
    try {
      await answer.arrayBuffer();
    } catch (fault) {
      throw new Unanswered(path, { cause: fault });
    }
    if (answer.status >= 500) throw new Unanswered(String(answer.status));
    return { status: answer.status, path };
  }

  async #useLimited(): Promise<void> {
    const { status } = await this.#proxied(this.#limited.token, "k", "limited");
    if (status === 200) this.#limited.passed++;
    else await new Promise((resolve) => setTimeout(resolve, 50));
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
    const { id, token, refresh_token } = json as { id: string; token: string; refresh_token: string };
    this.#families.push({
      refresh_token,
      access: [token],
      revoked: new Fact(false),
      refresh: async (shown) => {
        const answer = await ask(`${this.#locker.publicOrigin}/v1/tokens/refresh`, {
          method: "POST",
          headers: { authorization: `Bearer ${shown}` },
        });
        const { token: access, refresh_token } = answer.json as { token: string; refresh_token: string };
        return answer.status === 200 ? { access, refresh_token } : undefined;
      },
      revoke: () => askAs(this.#person, "DELETE", `/v1/tokens/${id}`),
    });
  }

  async #openOAuthFamily(client?: OAuthClient): Promise<void> {
    const connected = await connect(this.#locker, this.#person, {
      scope: "vault:read vault:proxy",
      ...(client === undefined ? {} : { client }),
    });
    const { client_id } = connected.client;
    const { json } = await askAs(this.#person, "GET", "/v1/grants");
    const [newest] = json.items as { id: string }[];
    this.#families.push({
      refresh_token: String(connected.refresh_token),
      access: [connected.access_token],
      revoked: new Fact(false),
      refresh: async (shown) => {
        const answer = await asAnswered(
          tokenRequest(this.#locker, { grant_type: "refresh_token", client_id, refresh_token: shown }),
        );
        const { access_token: access, refresh_token } = answer.json as { access_token: string; refresh_token: string };
        return answer.status === 200 ? { access, refresh_token } : undefined;
      },
      revoke: () => askAs(this.#person, "DELETE", `/v1/grants/${newest?.id}`),
    });
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
    await patiently(() => this.#lookAtRows());
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

  /** Every use has its row, once; no number is missing; what was there has not changed; the chain is whole. */
  async #lookAtRows(): Promise<void> {
    const { json } = await askAs(this.#person, "GET", "/v1/activity/verify");
    if (json.ok !== true) this.violations.push(`the chain: ${JSON.stringify(json)}`);
    const known = Math.max(0, ...this.#rows.keys());
    let lowest = Infinity;
    for (let cursor = ""; lowest > known - 400;) {
      const page = (await askAs(this.#person, "GET", `/v1/activity?limit=200${cursor}`)).json as {
        items: { seq: number; id: string; hash: string; path?: string; outcome: string }[];
        next_cursor?: string;
      };
      for (const { seq, id, hash, path, outcome } of page.items) {
        const before = this.#rows.get(seq);
        if (before !== undefined && (before.id !== id || before.hash !== hash))
          this.violations.push(`row ${seq} is another one now`);
        this.#rows.set(seq, { id, hash, path, outcome });
        lowest = Math.min(lowest, seq);
      }
      if (page.next_cursor === undefined) break;
      cursor = `&cursor=${page.next_cursor}`;
    }
    const head = Math.max(...this.#rows.keys());
    if (this.#rows.size !== head) this.violations.push(`${head - this.#rows.size} rows are missing of ${head}`);
    const ids = new Set([...this.#rows.values()].map(({ id }) => id));
    if (ids.size !== this.#rows.size) this.violations.push("an id stands in two rows");
    for (const id of this.#told)
      if (!ids.has(id)) this.violations.push(`a call that was let through has no row: ${id}`);
    this.#told.clear();
    this.#lookAtArrivals();
  }

  /** Every use that reached the upstream has its row; none arrived twice, none that was refused, none beyond its limit. */
  #lookAtArrivals(): void {
    const paths = new Set([...this.#rows.values()].map(({ path }) => path));
    const arrived = this.#upstream.seen.slice(this.#arrived_before).map(({ url }) => url);
    const guests = (url: string) => url.startsWith("/guest/");
    for (const url of arrived.filter((url) => !guests(url) && !paths.has(url)))
      this.violations.push(`arrived without a row: ${url}`);
    if (new Set(arrived).size !== arrived.length) this.violations.push("a call arrived twice");
    for (const url of arrived) if (this.#refused.has(url)) this.violations.push(`refused, and arrived: ${url}`);
    const limited = arrived.filter((url) => url.startsWith("/limited/")).length;
    if (limited > MAX_USES || this.#limited.passed > MAX_USES)
      this.violations.push(`a token for ${MAX_USES} uses had ${Math.max(limited, this.#limited.passed)}`);
  }

  /** Nothing is under way any more: what the crashes left pending has been given its end. */
  async lookAtTheEnd(): Promise<void> {
    await this.#lookAtRows();
    const pending = [...this.#rows].filter(([, { outcome }]) => outcome === "pending");
    if (pending.length > 0) this.violations.push(`${pending.length} rows are pending long after: ${pending[0]?.[0]}`);
  }
}

/** As far as anybody knows for certain. */
function lives({ revoked }: FamilyIs): boolean {
  return revoked.sure === false;
}

function expecting(statuses: readonly number[], answer: Answered): Answered {
  if (!statuses.includes(answer.status)) throw new Error(`answered ${answer.status} ${JSON.stringify(answer.json)}`);
  return answer;
}

function brokeOff(fault: unknown): boolean {
  return fault instanceof TypeError || (fault instanceof Error && /signing in|Signing in|\b503\b/.test(fault.message));
}

async function asAnswered(asked: Promise<Response>): Promise<Answered> {
  try {
    const answer = await asked;
    const text = await answer.text();
    if (answer.status >= 500) throw new Unanswered(`${answer.status} ${text}`);
    return { status: answer.status, headers: answer.headers, json: JSON.parse(text) };
  } catch (fault) {
    throw fault instanceof TypeError ? new Unanswered("broke off", { cause: fault }) : fault;
  }
}

/** A few at a time. */
async function inPieces<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += 16) await Promise.all(items.slice(at, at + 16).map(work));
}
