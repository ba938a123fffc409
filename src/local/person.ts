import * as z from "zod";

const MOST_REDIRECTS = 10;
const SESSION_COOKIE = /^(__Host-)?apilocker$/;

const Problem = z.looseObject({ code: z.string(), detail: z.string().optional(), title: z.string().optional() });

/** Somebody with a browser session: calls the app as its own pages do. */
export type Person = {
  origin: string;
  /** The value of a `cookie` header that proves the session. */
  cookie: string;
  /** Any request to the app; the answer as it is. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** A call of the management API; the answer's JSON, or an Error that shows the problem. */
  api<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
};

/** Signs in through the local OpenID provider, following every redirect as a browser would. */
export async function signIn(origin: string, email: string): Promise<Person> {
  const jar = new CookieJar();
  let url = new URL(`/auth/oidc?${new URLSearchParams({ login_hint: email, return_to: "/" }).toString()}`, origin);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const response = await fetch(url, { redirect: "manual", headers: { cookie: jar.header(url) } });
    jar.keep(url, response);
    const location = response.headers.get("location");
    const session = jar.session(origin);
    if (session !== undefined && url.origin === origin) return personOf(origin, session);
    if (location === null) throw new Error(`Signing in ended at ${url.href}: ${await describe(response)}`);
    await response.body?.cancel();
    url = new URL(location, url);
  }
  throw new Error(`Signing in as ${email} was redirected more than ${MOST_REDIRECTS} times.`);
}

/** Who holds a session of which only the cookie is known. */
export function personOf(origin: string, cookie: string): Person {
  const send = (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries({ cookie, origin, "sec-fetch-site": "same-origin" })) {
      if (!headers.has(name)) headers.set(name, value);
    }
    return fetch(new URL(path, origin), { redirect: "manual", ...init, headers });
  };
  return {
    origin,
    cookie,
    fetch: send,
    async api<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
      const sent =
        body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
      const response = await send(path, { method, ...sent });
      if (!response.ok) throw new Error(`${method} ${path}: ${await describe(response)}`);
      return response.json<T>();
    },
  };
}

/** What went wrong, in the words of the answer. */
async function describe(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { code, detail, title } = Problem.parse(JSON.parse(text));
    return `${response.status} ${code}: ${detail ?? title ?? ""} ${text}`;
  } catch {
    return `${response.status} ${text.slice(0, 500)}`;
  }
}

/** Cookies by origin: unlike a browser it keeps ports apart, so no cookie of the app is ever shown to the provider. */
class CookieJar {
  readonly #cookies = new Map<string, Map<string, string>>();

  keep(url: URL, response: Response): void {
    const cookies = this.#of(url.origin);
    for (const line of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
      const [name = "", ...value] = pair.split("=");
      if (value.join("=") === "" || attributes.some(endsNow)) cookies.delete(name);
      else cookies.set(name, value.join("="));
    }
  }

  header(url: URL): string {
    return [...this.#of(url.origin)].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  session(origin: string): string | undefined {
    const found = [...this.#of(origin)].find(([name]) => SESSION_COOKIE.test(name));
    return found === undefined ? undefined : found.join("=");
  }

  #of(origin: string): Map<string, string> {
    let cookies = this.#cookies.get(origin);
    if (cookies === undefined) this.#cookies.set(origin, (cookies = new Map()));
    return cookies;
  }
}

function endsNow(attribute: string): boolean {
  const [name = "", value = ""] = attribute.toLowerCase().split("=");
  if (name === "max-age") return Number(value) <= 0;
  return name === "expires" && Date.parse(value) <= Date.now();
}
