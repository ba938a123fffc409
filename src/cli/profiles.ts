import { chmod, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";
import { Failure, usage } from "./failure.ts";
import { locked } from "./lock.ts";
import { note } from "./terminal.ts";

/** One place to be signed in: a locker, and this device's token there. */
export type Profile = {
  url: string;
  token: string;
  device_id: string;
  /** Whose account it is, as the locker said at sign-in. */
  account: string;
};

type Stored = { current: string; profiles: Record<string, Profile> };

/** Whom to talk to, as whom. `stored` is false where the environment says so. */
export type Credentials = { url: string; token: string; profile: string; stored: boolean };

const PROFILE_NAME = /^[A-Za-z0-9._-]{1,40}$/;

/** Where the configuration lies: `~/.apilocker`, or what `APILOCKER_HOME` says. */
function homeOf(env: NodeJS.ProcessEnv = process.env): string {
  return env.APILOCKER_HOME || join(homedir(), ".apilocker");
}

/** The profile that is meant: said now, said by the environment, or chosen at the last sign-in. */
export async function profileName(said: string | undefined): Promise<string> {
  const name = said ?? process.env.APILOCKER_PROFILE ?? (await load()).current;
  if (!PROFILE_NAME.test(name))
    throw usage(`${JSON.stringify(name)} is no profile name.`, "Use letters, digits, . _ and -.");
  return name;
}

export async function profileOf(name: string): Promise<Profile | undefined> {
  const { profiles } = await load();
  return Object.hasOwn(profiles, name) ? profiles[name] : undefined;
}

export async function profileNames(): Promise<{ current: string; names: string[] }> {
  const { current, profiles } = await load();
  return { current, names: Object.keys(profiles) };
}

/** A token in the environment wins over everything stored, and then the URL must be there too. */
export async function credentials(said: string | undefined): Promise<Credentials | undefined> {
  const { APILOCKER_TOKEN: token, APILOCKER_URL: url } = process.env;
  const name = await profileName(said);
  const profile = await profileOf(name);
  if (token !== undefined && token !== "") {
    const at = url || profile?.url;
    if (at === undefined) throw usage("APILOCKER_TOKEN is set, but APILOCKER_URL is not.");
    return { url: origin(at), token, profile: name, stored: false };
  }
  if (profile === undefined) return undefined;
  const at = url ? origin(url) : profile.url;
  // A stored token goes to the locker that gave it, whatever the environment says.
  if (at !== profile.url)
    throw usage(`The profile ${name} belongs to ${profile.url}, not to ${at}.`, "Use another profile: --profile NAME");
  return { url: at, token: profile.token, profile: name, stored: true };
}

/** A locker's address: an origin, and over plain http only on this machine, since a token is sent there. */
export function origin(text: string): string {
  // On this machine it is plain http, where nothing else is said.
  const scheme = /^(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/i.test(text) ? "http" : "https";
  const url = parseUrl(/^[a-z]+:\/\//i.test(text) ? text : `${scheme}://${text}`);
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw usage(`${JSON.stringify(text)} is no address of a locker.`, "It looks like https://locker.example");
  if (url.protocol === "http:" && !["localhost", "127.0.0.1", "[::1]"].includes(url.hostname))
    throw usage(`${url.origin} is not encrypted.`, "Plain http is for a locker on this machine only.");
  return url.origin;
}

/** `URL.parse` came with Node 22. */
function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

export function saveProfile(name: string, profile: Profile): Promise<void> {
  return change((stored) => ({ current: name, profiles: { ...stored.profiles, [name]: profile } }));
}

export function forgetProfile(name: string): Promise<void> {
  return change(({ current, profiles }) => {
    const { [name]: _gone, ...rest } = profiles;
    return { current: current === name ? (Object.keys(rest)[0] ?? "default") : current, profiles: rest };
  });
}

function pathOf(name: string): string {
  return join(homeOf(), name);
}

async function change(work: (stored: Stored) => Stored): Promise<void> {
  await makeHome();
  await locked(pathOf("config.lock"), async () => writePrivately(pathOf("config.json"), work(await load())));
}

async function load(): Promise<Stored> {
  const path = pathOf("config.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
    if (process.platform !== "win32" && ((await stat(path)).mode & 0o077) !== 0) {
      await chmod(path, 0o600);
      note(`apilocker: ${path} was open to others; it is closed now.`);
    }
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === "ENOENT") return { current: "default", profiles: {} };
    throw fault;
  }
  try {
    const { current = "default", profiles = {} } = JSON.parse(text) as Partial<Stored>;
    return { current, profiles };
  } catch {
    throw new Failure(`${path} is not JSON.`, { hint: "Remove it and sign in again: apilocker login" });
  }
}

async function makeHome(): Promise<string> {
  const home = homeOf();
  await mkdir(home, { recursive: true, mode: 0o700 });
  if (process.platform !== "win32" && ((await stat(home)).mode & 0o077) !== 0) await chmod(home, 0o700);
  return home;
}

/** Whoever reads meanwhile sees the old file or the new one, whole; nobody else sees either. */
function writePrivately(path: string, value: unknown): Promise<void> {
  return writeTextPrivately(path, `${JSON.stringify(value, null, 2)}\n`);
}

export async function writeTextPrivately(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${process.pid}.${randomUUID()}`;
  const file = await open(unfinished, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await rename(unfinished, path);
  } catch (fault) {
    await file.close().catch(() => {});
    await rm(unfinished, { force: true });
    throw fault;
  }
}
