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

/** Starts every target before the one upstream. */
export async function startTargets(children: Children, vaults: number): Promise<Field> {
  const upstream = served(await children.start("upstream", 0)).port;
  const [nginx, workerd, skeleton, apilocker, portkey] = (await Promise.all(
    ["nginx", "workerd", "skeleton", "apilocker", "portkey"].map((name) => children.start(name, upstream)),
  )) as [Started, Started, Started, Started, Started];
  const locker = await startLocker(served(apilocker), upstream, vaults);
  const optional = { nginx, portkey };
  const skipped = Object.entries(optional).flatMap(([name, host]) =>
    "skipped" in host ? [{ name, why: host.skipped }] : [],
  );
  const targets = [
    target("direct", { port: upstream, pid: 0 }, plain(upstream)),
    ...("skipped" in nginx ? [] : [target("nginx", nginx, plain(nginx.port))]),
    target("workerd", served(workerd), plain(served(workerd).port)),
    target("skeleton", served(skeleton), withObject(served(skeleton).port)),
    locker.target,
    ...("skipped" in portkey ? [] : [target("portkey", portkey, throughPortkey(portkey.port, upstream))]),
  ];
  return { upstream, targets, skipped, locker };
}

async function startLocker(host: Served, upstream: number, vaults: number): Promise<Field["locker"]> {
  const origin = host.publicOrigin ?? "";
  const accounts = await openAccounts(origin, upstream, vaults);
  const call = (wanted: Wanted, vault = 0) => lockerCall(host.port, wanted, accounts[vault]?.token ?? "");
  return { target: target("apilocker", host, call), origin, accounts };
}

/** A call of API Locker with this token, by the key of this name. */
export function lockerCall(port: number, { path, events = false }: Wanted, token: string, key = KEY): Buffer {
  return encode(port, `/v1/proxy/${key}${path}`, events, { authorization: `Bearer ${token}` });
}

function target(name: string, { port, pid }: { port: number; pid: number }, call: Target["call"]): Target {
  return { name, port, processes: pid === 0 ? undefined : Processes.below(pid), call };
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
