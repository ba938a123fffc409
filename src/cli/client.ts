import { randomUUID } from "node:crypto";
import type * as z from "zod";
import type { Operation, OPERATIONS } from "../api/schema.ts";
import { credentials, type Credentials } from "./profiles.ts";
import { EXIT, Failure, signInNeeded } from "./failure.ts";
import { plain } from "./terminal.ts";
import { USER_AGENT } from "./version.ts";

type Operations = typeof OPERATIONS;
/** Every operation by what it looks like on the wire: `GET /keys/{key}`. */
type ByRoute = {
  [Id in keyof Operations as `${Uppercase<Operations[Id]["method"]>} ${Operations[Id]["path"]}`]: Operations[Id];
};
export type Route = keyof ByRoute;
type Input<Row, Name extends string> =
  Row extends Record<Name, infer Schema extends z.ZodType> ? z.input<Schema> : never;
export type Answer<R extends Route> = ByRoute[R] extends Operation ? z.output<ByRoute[R]["answer"]> : never;
type Asked<R extends Route> = {
  params?: Record<string, string>;
  query?: Partial<Record<keyof Input<ByRoute[R], "query">, string | number | undefined>>;
  body?: Input<ByRoute[R], "body">;
};

const TIMEOUT_MS = 30_000;
const TRIES = 3;
const PATIENCE_S = 5;
const PAGE = 200;

/** The locker's API, as a signed-in device calls it. Routes and their answers are typed by the contract. */
export class Locker {
  readonly #credentials: Credentials;

  constructor(given: Credentials) {
    this.#credentials = given;
  }

  get url(): string {
    return this.#credentials.url;
  }

  get token(): string {
    return this.#credentials.token;
  }

  get profile(): string {
    return this.#credentials.profile;
  }

  get stored(): boolean {
    return this.#credentials.stored;
  }

  /** A file that an operation answers, as it comes, with all parts that follow the first: each names the next (RFC 8288). */
  async *file<R extends Route>(route: R, query: Asked<R>["query"] = {}): AsyncGenerator<Uint8Array> {
    const headers = { authorization: `Bearer ${this.token}`, "user-agent": USER_AGENT };
    let next: URL | undefined = this.#address(route.slice("GET ".length), query);
    while (next !== undefined) {
      // It takes as long as it takes.
      const response = await send(next, { headers, redirect: "manual", signal: new AbortController().signal }, TRIES);
      if (!response.ok) throw failureOf(response.status, await response.text(), this);
      try {
        for await (const bytes of response.body ?? []) yield bytes;
      } catch (fault) {
        throw unreachable(next, fault);
      }
      const path = /^<(\/v1\/[^>]*)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1];
      next = path === undefined ? undefined : new URL(path, this.url);
    }
  }

  #address(path: string, query: Readonly<Record<string, string | number | undefined>>): URL {
    const url = new URL(`/v1${path}`, this.url);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, `${value}`);
    return url;
  }

  /** One operation. A mutation carries one Idempotency-Key through all its tries, so that a lost answer does nothing twice. */
  async call<R extends Route>(route: R, { params = {}, query = {}, body }: Asked<R> = {}): Promise<Answer<R>> {
    const [method = "GET", template = ""] = route.split(" ");
    const path = template.replace(/\{(\w+)\}/g, (_, name: string) => segment(params[name] ?? ""));
    const url = this.#address(path, query);
    const headers = new Headers({ authorization: `Bearer ${this.token}`, "user-agent": USER_AGENT });
    if (method !== "GET") headers.set("idempotency-key", randomUUID());
    if (body !== undefined) headers.set("content-type", "application/json");
    const init = {
      method,
      headers,
      redirect: "manual" as const,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    const response = await send(url, init, TRIES);
    const text = await response.text().catch((fault: unknown) => {
      throw unreachable(url, fault);
    });
    if (!response.ok) throw failureOf(response.status, text, this, params.key);
    const said = parsed(text);
    if (said === undefined)
      throw new Failure(`${this.url} answers, but not as a locker does.`, { hint: "Check the address." });
    return said as Answer<R>;
  }

  /** All items of a list, page by page, or the first `most`. */
  async list<R extends Route>(
    route: R,
    query: Asked<R>["query"] = {},
    most = Infinity,
  ): Promise<Answer<R> extends { items: (infer Item)[] } ? Item[] : never> {
    type Items = Answer<R> extends { items: (infer Item)[] } ? Item[] : never;
    const items: unknown[] = [];
    let cursor: string | undefined;
    do {
      const limit = Math.min(PAGE, most - items.length);
      const page = (await this.call(route, {
        query: { ...query, limit, cursor } as Asked<R>["query"],
      } as Asked<R>)) as {
        items: unknown[];
        next_cursor?: string;
      };
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor !== undefined && items.length < most);
    return items as Items;
  }
}

/** The locker that a command talks to, or the advice to sign in. */
export async function locker({ profile }: { profile?: string | undefined }): Promise<Locker> {
  const found = await credentials(profile);
  if (found === undefined) throw signInNeeded("This device is not signed in.");
  return new Locker(found);
}

/** What a URL would read as a way, and not as a name, is nothing's name. */
function segment(name: string): string {
  if (/^\.{0,2}$/.test(name))
    throw new Failure(`There is nothing called ${JSON.stringify(name)}.`, { code: "not_found" });
  return encodeURIComponent(name);
}

/** A request that is tried again where nothing can have gone wrong by it: the network failed, or we were asked to come back. */
export async function send(url: URL, init: RequestInit, tries = 1): Promise<Response> {
  for (let left = tries - 1; ; left--) {
    let response: Response;
    try {
      response = await fetch(url, { ...init, signal: init.signal ?? AbortSignal.timeout(TIMEOUT_MS) });
    } catch (fault) {
      if (left > 0) {
        await pause(250);
        continue;
      }
      throw unreachable(url, fault);
    }
    const wait_s = Number(response.headers.get("retry-after") ?? "NaN");
    if (![429, 503].includes(response.status) || left <= 0 || !(wait_s <= PATIENCE_S)) return response;
    await response.body?.cancel();
    await pause(Math.max(wait_s, 0.25) * 1_000);
  }
}

export function unreachable({ origin }: URL, fault: unknown): Failure {
  const { name, cause } = fault as { name?: string; cause?: { code?: string } };
  const why = name === "TimeoutError" ? "it does not answer" : (cause?.code ?? "the connection failed");
  return new Failure(`${origin} cannot be reached: ${why}.`, {
    exit_code: EXIT.unreachable,
    code: "unreachable",
    hint: "Check the address and your network, then try again.",
  });
}

/** What comes of it where the locker can be reached; undefined where it cannot just now, for whoever waits and asks again. */
export async function ifReached<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (fault) {
    if (fault instanceof Failure && fault.exit_code === EXIT.unreachable) return undefined;
    throw fault;
  }
}

type Told = {
  code?: string;
  detail?: string;
  title?: string;
  rule?: string;
  errors?: { field: string; rule: string }[];
};

/** A refusal in the locker's own words, with what to do about it. */
export function failureOf(
  status: number,
  text: string,
  { url, stored }: Pick<Locker, "url" | "stored">,
  key?: string,
): Failure {
  const told = (parsed(text) ?? {}) as Told;
  const code = told.code ?? `http_${status}`;
  // Several may have been asked for: which of them is not there is what they have to know.
  const missing = code === "not_found" && key !== undefined ? `There is no key ${JSON.stringify(key)}.` : undefined;
  const said = plain(missing ?? told.detail ?? told.title ?? `${url} answered ${status}.`);
  const fields = (told.errors ?? [])
    .map(({ field, rule }) => `${plain(field)}: ${plain(rule)}`)
    .filter((one) => !said.includes(one))
    .map((one) => `\n  ${one}`)
    .join("");
  if (status === 401)
    return stored
      ? signInNeeded(`${said} This device is not signed in any more.`)
      : signInNeeded(`${said} It is the one in APILOCKER_TOKEN.`, "Set another, or unset it and run: apilocker login");
  if (status >= 300 && status < 400)
    return new Failure(`${url} leads elsewhere; nothing was sent there.`, {
      hint: "Sign in with the address it really has.",
    });
  return new Failure(said + fields, { code, hint: hintFor(code, told.rule, key) });
}

function hintFor(code: string, rule: string | undefined, key = "KEY"): string | undefined {
  const unseen = `apilocker run --proxy --keys ${key} -- COMMAND`;
  if (rule === "locked") return `Run: apilocker unlock, or use the key without seeing it: ${unseen}`;
  if (rule === "revealable") return `Use it without seeing it: ${unseen}`;
  if (code === "frozen") return "Run: apilocker unfreeze";
  if (code === "rate_limited" || code === "unavailable") return "Try again in a moment.";
  if (code === "not_found") return "See what there is: apilocker list";
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
