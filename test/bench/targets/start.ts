import type { Children, Started } from "../children.ts";
import { Processes } from "../processes.ts";
import { KEY, openAccounts, type Account } from "./accounts.ts";
import { encode, type Target, type Wanted } from "./target.ts";

/** All that runs: the targets in the order of the table, those that are not on this machine, and API Locker's accounts. */
export type Field = {
  upstream: number;
  targets: Target[];
  skipped: { name: string; why: string }[];
  locker: { target: Target; origin: string; accounts: Account[] };
};

type Served = Extract<Started, { port: number }>;

/** Starts every target before the one upstream, and opens the accounts. */
export async function startTargets(children: Children, vaults: number): Promise<Field> {
  const { port: upstream } = served(await children.start("upstream", 0));
  const start = (name: string) => children.start(name, upstream);
  const [nginx, workerd, skeleton, apilocker, portkey] = await Promise.all([
    start("nginx"),
    start("workerd").then(served),
    start("skeleton").then(served),
    start("apilocker").then(served),
    start("portkey"),
  ]);
  const origin = apilocker.publicOrigin ?? "";
  const accounts = await openAccounts(origin, upstream, vaults);
  const locker = ours("apilocker", apilocker, throughLocker(apilocker.port, accounts));
  const targets = [
    ours("direct", { port: upstream, pid: 0 }, plain(upstream)),
    ...foreign("nginx", nginx, plain),
    ours("workerd", workerd, plain(workerd.port)),
    ours("skeleton", skeleton, withObject(skeleton.port)),
    locker,
    ...foreign("portkey", portkey, (port) => throughPortkey(port, upstream)),
  ];
  const skipped = Object.entries({ nginx, portkey }).flatMap(([name, host]) =>
    "skipped" in host ? [{ name, why: host.skipped }] : [],
  );
  return { upstream, targets, skipped, locker: { target: locker, origin, accounts } };
}

function ours(name: string, { port, pid }: Served, call: Target["call"]): Target {
  return { name, port, foreign: false, processes: Processes.below(pid), call };
}

/** Somebody else's, if it is on this machine. */
function foreign(name: string, host: Started, calling: (port: number) => Target["call"]): Target[] {
  return "skipped" in host ? [] : [{ ...ours(name, host, calling(host.port)), foreign: true }];
}

/** A call of API Locker with this token, by the key of this name. */
export function lockerCall(port: number, { path, events = false }: Wanted, token: string, key = KEY): Buffer {
  return encode(port, `/v1/proxy/${key}${path}`, events, { authorization: `Bearer ${token}` });
}

function throughLocker(port: number, accounts: readonly Account[]): Target["call"] {
  return (wanted, vault = 0) => lockerCall(port, wanted, accounts[vault]?.token ?? "");
}

function plain(port: number): Target["call"] {
  return ({ path, events = false }) => encode(port, path, events, { authorization: "Bearer nobody" });
}

function withObject(port: number): Target["call"] {
  return ({ path, events = false }, vault = 0) => encode(port, path, events, { "x-object": String(vault) });
}

/** Portkey takes the upstream from a header, without the last two segments of a chat completion's path. */
function throughPortkey(port: number, upstream: number): Target["call"] {
  return ({ path, events = false }) => {
    const headers = {
      authorization: "Bearer nobody",
      "x-portkey-provider": "openai",
      "x-portkey-custom-host": `http://127.0.0.1:${upstream}${path.replace(/\/chat\/completions$/, "")}`,
    };
    return encode(port, "/v1/chat/completions", events, headers);
  };
}

function served(started: Started): Served {
  if ("skipped" in started) throw new Error(started.skipped);
  return started;
}
