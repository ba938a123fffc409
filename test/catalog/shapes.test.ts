import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listProviders, providerOf } from "../../src/catalog/catalog.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Seen, type Upstream } from "../support/upstream.ts";
import { LLM_SHAPES } from "./llm_shapes.ts";
import { SERVICE_SHAPES } from "./service_shapes.ts";
import type { Shape } from "./shape.ts";

const SHAPES = [...LLM_SHAPES, ...SERVICE_SHAPES];
/** What any HTTP client adds by itself, and so is in no documentation. */
const CLIENTS_OWN = new Set(["host", "connection", "content-length", "accept-encoding"]);
/** What the runtime adds to a fetch that bypasses caches; Cloudflare names the Worker's zone to every upstream. */
const RUNTIMES_OWN = { "cache-control": "no-cache", pragma: "no-cache", "cf-worker": expect.any(String) as string };

let locker: LocalLocker;
let upstream: Upstream;
let token: string;

beforeAll(async () => {
  locker = await usualLocker();
  upstream = await startUpstream();
  const person = await newPerson(locker);
  const first = SHAPES.filter(({ provider }, at) => SHAPES.findIndex((shape) => shape.provider === provider) === at);
  await Promise.all(
    first.map(({ provider, auth }) => {
      const basic = providerOf(provider)?.placement.in === "basic";
      const secret = basic
        ? { secret: undefined, fields: { username: auth?.[0], password: secretOf(provider) } }
        : { secret: secretOf(provider) };
      return storeKey(person, provider, upstream.origin, { provider, ...secret });
    }),
  );
  ({ token } = await mintToken(person));
});

afterAll(() => upstream.stop());

test.each(SHAPES)(
  "$provider: the documented call $path arrives to the letter, with the real key in its place",
  async (shape) => {
    const { provider, method, body = "" } = shape;
    const key = secretOf(provider);
    const base = `${locker.proxyOrigin}/v1/proxy/${provider}`;
    const asked = filled(shape, token);
    expect(await send(base + asked.path, method, asked.headers, body)).toBe(200);

    const seen = upstream.seen.at(-1) as Seen;
    const wanted = filled(shape, key);
    expect(seen.method).toBe(method);
    expect(seen.url).toBe(wanted.seen_path);
    expect(seen.body.toString()).toBe(body);
    expect(documented(seen)).toEqual({ ...RUNTIMES_OWN, ...providerOf(provider)?.headers, ...wanted.seen_headers });
    expect(seen.url + seen.raw_headers.join("\n") + seen.body.toString("latin1")).not.toContain("alk_");
  },
);

test("every provider of the catalog has a documented call here; those that are connected or sign have theirs elsewhere", () => {
  const shown = new Set(SHAPES.map(({ provider }) => provider));
  const stored = listProviders().filter(({ placement }) => placement.in !== "oauth" && placement.in !== "sigv4");
  expect(stored.filter(({ id }) => !shown.has(id))).toEqual([]);
});

function secretOf(provider: string): string {
  return `real-${provider}-key-0123456789abcdef`;
}

/** The documented call with a credential in the place of `$KEY`, as it is asked for and as the upstream is to see it. */
function filled({ path, headers = {}, auth, seen }: Shape, credential: string) {
  const put = (text: string) => text.replaceAll("$KEY", credential);
  const basic: Record<string, string> =
    auth === undefined ? {} : { authorization: `Basic ${Buffer.from(put(auth.join(":"))).toString("base64")}` };
  const asked = { ...mapped(headers, put), ...basic };
  return {
    path: put(path),
    headers: asked,
    seen_path: seen?.path ?? put(path),
    seen_headers: { ...asked, ...mapped(seen?.headers ?? {}, put) },
  };
}

function mapped(headers: Record<string, string>, put: (text: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, put(value)]));
}

function documented({ headers }: Seen): Seen["headers"] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !CLIENTS_OWN.has(name)));
}

/** A client that adds nothing of its own to what it is told; answers the status. */
function send(url: string, method: string, headers: Record<string, string>, body: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    call.on("error", reject);
    call.end(body);
  });
}
