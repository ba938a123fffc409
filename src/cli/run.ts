import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { locker, type Answer, type Locker } from "./client.ts";
import { ended, start } from "./child.ts";
import type { Common } from "./command.ts";
import { variableName, variablesOf } from "./env_names.ts";
import { Failure, usage } from "./failure.ts";
import { Mask } from "./mask.ts";
import type { Charge } from "./reaper.ts";
import { tellIfRenamed, variablesFor, wantedKeys } from "./secrets.ts";
import { note, plain } from "./terminal.ts";

export type RunOptions = Common & { keys?: string[]; proxy?: boolean; mask: boolean };

/** A key as it was asked for, and the path that its provider's SDK has behind the address. */
type Proxied = Pick<Answer<"GET /keys/{key}">, "id" | "name" | "provider"> & { ref: string; sdk_path: string };

/** The token of a command lives this long, and is kept alive while the command runs. */
const LEASE_S = 60 * 60;
const NAME_LENGTH = 100;

/** Runs a command with keys that it needs: with their secrets in its environment, or, better, without. */
export async function runCommand(words: readonly string[], options: RunOptions): Promise<void> {
  const [command, ...args] = words;
  if (command === undefined) throw usage("Say what to run.", "apilocker run --proxy -- npm start");
  process.exitCode =
    options.proxy === true ? await runProxied(command, args, options) : await runRevealed(command, args, options);
}

async function runRevealed(command: string, args: readonly string[], options: RunOptions): Promise<number> {
  const at = await locker(options);
  const variables = await variablesFor(at, await wantedKeys(options.keys));
  const env = { ...childEnv(), ...Object.fromEntries(variables.map(({ name, value }) => [name, value])) };
  if (!options.mask) return ended(start(command, args, { stdio: "inherit", env }), command);
  const child = start(command, args, { stdio: ["inherit", "pipe", "pipe"], env });
  const secrets = variables.map(({ value }) => value);
  const [code] = await Promise.all([
    ended(child, command),
    masked(child.stdout, process.stdout, secrets),
    masked(child.stderr, process.stderr, secrets),
  ]);
  return code;
}

/** Hands on what a child prints, with secrets blotted out and no faster than it is read. */
async function masked(
  from: NodeJS.ReadableStream | null,
  to: NodeJS.WriteStream,
  secrets: readonly string[],
): Promise<void> {
  if (from === null) return;
  const mask = new Mask(secrets);
  const write = async (bytes: Buffer) => {
    if (bytes.length > 0 && !to.write(bytes)) await once(to, "drain");
  };
  for await (const chunk of from) await write(mask.push(Buffer.from(chunk)));
  await write(mask.flush());
}

/**
 * No secret at all: the command gets the address of the proxy and a token of its own, which ends with it. Should this process be
 * killed, another one that waits for just that revokes the token; should both be, it expires by itself.
 */
async function runProxied(command: string, args: readonly string[], options: RunOptions): Promise<number> {
  const at = await locker(options);
  const refs = await wantedKeys(options.keys);
  const [{ proxy_origin }, providers, keys] = await Promise.all([
    at.call("GET /me"),
    at.list("GET /providers"),
    Promise.all(refs.map(async (ref) => ({ ...(await at.call("GET /keys/{key}", { params: { key: ref } })), ref }))),
  ]);
  for (const key of keys) tellIfRenamed(key.ref, key);
  const paths = new Map(providers.map(({ id, sdk_base_path = "" }) => [id, sdk_base_path]));
  const token = await at.call("POST /tokens", {
    body: {
      name: plain(`run ${command} on ${hostname()}`).slice(0, NAME_LENGTH),
      policy: { keys: keys.map(({ id }) => id), expires_at: new Date(Date.now() + LEASE_S * 1_000).toISOString() },
    },
  });
  const reaper = startReaper({ url: at.url, token: at.token, id: token.id });
  const kept = setInterval(() => void keep(at, token.id), (LEASE_S / 4) * 1_000);
  kept.unref();
  try {
    const env = {
      ...childEnv(),
      ...proxiedVariables(
        keys.map((key) => ({ ...key, sdk_path: paths.get(key.provider) ?? "" })),
        proxy_origin,
        token.token,
      ),
    };
    return await ended(start(command, args, { stdio: "inherit", env }), command);
  } finally {
    clearInterval(kept);
    await end(at, token.id, reaper);
  }
}

/** What the locker itself is reached with is nothing for children. */
function childEnv(): NodeJS.ProcessEnv {
  const { APILOCKER_TOKEN: _ours, ...rest } = process.env;
  return rest;
}

/**
 * For each key `NAME_BASE_URL` and `NAME_API_KEY`; and what the SDKs of its provider read, for the first key of a provider. The
 * address has the path that the SDK's own has.
 */
export function proxiedVariables(keys: readonly Proxied[], proxy: string, token: string): Record<string, string> {
  const variables: Record<string, string> = {};
  const add = (name: string, value: string) => (variables[name] ??= value);
  for (const { id, name, provider, ref, sdk_path } of keys) {
    const base = `${proxy}/v1/proxy/${encodeURIComponent(name)}${sdk_path}`;
    const { key, base_url = [] } = variablesOf(provider);
    for (const variable of base_url) add(variable, base);
    for (const variable of key) add(variable, token);
    const own = variableName(ref === id ? name : ref).replace(/_(API_KEY|TOKEN|KEY)$/, "");
    add(`${own}_BASE_URL`, base);
    add(`${own}_API_KEY`, token);
  }
  add("APILOCKER_PROXY_URL", `${proxy}/v1/proxy`);
  add("APILOCKER_PROXY_TOKEN", token);
  return variables;
}

async function keep(at: Locker, id: string): Promise<void> {
  try {
    await at.call("POST /tokens/{id}/keep", { params: { id }, body: { seconds: LEASE_S } });
  } catch (refused) {
    if (refused instanceof Failure) note(`apilocker: the command's token may end soon: ${refused.message}`);
  }
}

function startReaper(charge: Charge): ChildProcess {
  const reaper = spawn(process.execPath, [process.argv[1] ?? "", "__reap"], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    windowsHide: true,
  });
  reaper.on("error", () => {});
  reaper.stdin?.on("error", () => {});
  // Over the pipe, not as an argument: arguments are for everybody to read. When the pipe ends without a word, we are dead.
  reaper.stdin?.write(`${JSON.stringify(charge)}\n`);
  reaper.unref();
  return reaper;
}

async function end(at: Locker, id: string, reaper: ChildProcess): Promise<void> {
  try {
    await at.call("DELETE /tokens/{id}", { params: { id } });
    reaper.stdin?.end("done\n");
  } catch (refused) {
    note(`apilocker: the command's token could not be revoked yet: ${refused instanceof Error ? refused.message : ""}`);
    reaper.stdin?.end();
  }
}
