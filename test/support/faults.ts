import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { LocalLocker, ServeOptions } from "../../src/local/serve.ts";
import { startLocker } from "./locker.ts";

/** How a store fails: it refuses, it never answers, or it takes its time. */
type Fault = "down" | "hanging" | "slow";
/** The stores that fail, by their bindings; and whether somebody outside hangs, who is to be waited for no longer than a test can. */
export type Faults = { BLOBS?: Fault; DB?: Fault; outside?: "hanging" };

const PATH = "/faults-of-a-test";

/**
 * Stands in front of the deployed bundle. What waits ten seconds for somebody who hangs waits for one here; whoever answers has all
 * ten, however busy the machine is.
 */
const FRONT = `
import worker, { McpSession, UserVault as Vault } from "./index.js";
let faults = {};
let hung = false;
const timer = globalThis.setTimeout;
globalThis.setTimeout = (work, ms, ...more) => {
  const hurried = hung && ms === 10_000;
  if (hurried) hung = false;
  return timer(work, hurried ? 1_000 : ms, ...more);
};
const limit = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (ms) => limit(faults.outside === "hanging" && ms === 10_000 ? 1_000 : ms);
const wait = (ms) => new Promise((resolve) => timer(resolve, ms));
const HOW = {
  down: () => Promise.reject(new Error("down")),
  // The next who looks at a clock is whoever waits for this.
  hanging: () => { hung = true; return wait(60_000).then(() => { throw new Error("it hung"); }); },
  slow: (work) => wait(200).then(work),
};
const behind = new WeakMap();
const bare = (given) => Array.isArray(given) ? given.map(bare) : behind.get(given) ?? given;
function failing(name, store) {
  const proxy = new Proxy(store, {
    get(target, member) {
      const value = target[member];
      if (typeof value !== "function") return value;
      return (...given) => {
        const work = () => value.apply(target, given.map(bare));
        if (member === "prepare" || member === "bind") return failing(name, work());
        return faults[name] === undefined ? work() : HOW[faults[name]](work);
      };
    },
  });
  behind.set(proxy, store);
  return proxy;
}
const known = new WeakMap();
function wrapped(env) {
  if (!known.has(env)) known.set(env, { ...env, BLOBS: failing("BLOBS", env.BLOBS), DB: failing("DB", env.DB) });
  return known.get(env);
}
class UserVault extends Vault {
  constructor(ctx, env) { super(ctx, wrapped(env)); }
}
export { McpSession, UserVault };
export default {
  async fetch(request, env, ctx) {
    if (!request.url.endsWith("${PATH}")) return worker.fetch(request, wrapped(env), ctx);
    faults = await request.json();
    return new Response();
  },
};
`;

/** The whole product, whose stores fail when a test says so. */
export function startFailingLocker(options: ServeOptions = {}): Promise<LocalLocker> {
  return startLocker({ ...options, front: FRONT });
}

/** From now on these stores fail; an empty object ends it. */
export async function failWith({ publicOrigin }: LocalLocker, faults: Faults): Promise<void> {
  await fetch(publicOrigin + PATH, { method: "POST", body: JSON.stringify(faults) });
}

/** An OpenID provider that signs in whoever `login_hint` names, and can go away behind our back. */
export async function startProvider(client_id: string): Promise<Provider> {
  let fault: ProviderFault | undefined;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", origin);
    if (url.pathname === "/authorize") {
      const { redirect_uri = "", state = "", nonce, login_hint } = Object.fromEntries(url.searchParams);
      // The code says it all: nobody has to remember anything.
      const code = packed({ nonce, sub: login_hint });
      const back = new URLSearchParams({ code, state }).toString();
      return response.writeHead(302, { location: `${redirect_uri}?${back}` }).end();
    }
    if (fault === "down") return response.writeHead(503).end();
    if (fault === "hanging") return undefined;
    if (fault === "broken off")
      return response
        .writeHead(200, { "content-type": "application/json", "content-length": "999" })
        .write('{"id_token":"', () => response.destroy());
    if (url.pathname !== "/token") {
      return response.end(
        JSON.stringify({
          issuer: origin,
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/token`,
          jwks_uri: `${origin}/jwks`,
          id_token_signing_alg_values_supported: ["RS256"],
        }),
      );
    }
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const said = JSON.parse(
        Buffer.from(new URLSearchParams(body).get("code") ?? "", "base64url").toString(),
      ) as object;
      const iat = Math.floor(Date.now() / 1_000);
      const claims = { iss: origin, aud: client_id, iat, exp: iat + 300, ...said };
      const id_token = `${packed({ alg: "RS256" })}.${packed(claims)}.c2ln`;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ access_token: "at", token_type: "Bearer", id_token }));
    });
    return undefined;
  });
  // As in upstream.ts: what the runtime keeps is not closed under it.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    failAs: (next) => {
      fault = next;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** How a provider fails: as a store does, or in the middle of an answer. */
export type ProviderFault = Fault | "broken off";

export type Provider = {
  origin: string;
  failAs: (fault: ProviderFault | undefined) => void;
  stop: () => Promise<unknown>;
};

function packed(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
