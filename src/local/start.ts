import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as z from "zod";
import { portOf, type Door } from "./doors.ts";
import { startEchoUpstream } from "./echo_upstream.ts";
import { signIn } from "./person.ts";
import { readSettings } from "./project.ts";
import { serve, type LocalLocker } from "./serve.ts";

const DEMO_EMAIL = "demo@apilocker.example";
const UPSTREAM: Door = { name: "upstream", title: "the demo API", usual: 0, tied: "the target of the demo key" };
const Demo = z.object({ token: z.string() });
const curl = process.platform === "win32" ? "curl.exe" : "curl";

/** `npm start`: everything on one machine, with a key to try it on. */
async function start(): Promise<void> {
  const stateDir = process.env.STATE_DIR ?? ".apilocker";
  const locker = await serve({
    // A throw-away run is still found where people look for it.
    port: portFrom("PORT") ?? (stateDir === "" ? 8420 : undefined),
    proxyPort: portFrom("PROXY_PORT") ?? (stateDir === "" ? 8421 : undefined),
    oidcPort: portFrom("OIDC_PORT") ?? (stateDir === "" ? 8422 : undefined),
    stateDir,
    vars: settingsFromEnvironment(),
    log: console.log,
  });
  const upstream = await startEchoUpstream(await portOf(locker.state, UPSTREAM, undefined, console.log));
  announce(locker, await demoToken(locker, upstream.origin), stateDir);
  if (process.env.OPEN === "1") openBrowser(locker.publicOrigin);
}

/** The app token of the demo key. A token is shown once, so the first run keeps it for those that follow. */
async function demoToken({ publicOrigin, state }: LocalLocker, upstream: string): Promise<string> {
  const kept = await state.read("demo.json", Demo);
  if (kept !== undefined) return kept.token;
  const person = await signIn(publicOrigin, DEMO_EMAIL);
  const known = await person.fetch("/v1/keys/demo");
  if (!known.ok) {
    const secret = `demo-${randomBytes(24).toString("base64url")}`;
    const key = { name: "demo", provider: "custom", secret, base_url: upstream, placement: { in: "bearer" } };
    await person.api("POST", "/v1/keys", key);
  }
  const demo = await person.api("POST", "/v1/tokens", { name: "demo", policy: { keys: ["demo"] } });
  await state.write("demo.json", demo);
  return Demo.parse(demo).token;
}

function announce({ publicOrigin, proxyOrigin }: LocalLocker, token: string, stateDir: string): void {
  console.log(`
API Locker runs on this machine. Ctrl-C stops it.

  Dashboard  ${publicOrigin}
  Sign in    ${publicOrigin}/auth/oidc?login_hint=${encodeURIComponent(DEMO_EMAIL)}
             (any other address makes an account of its own; there is no password here)
  Data       ${stateDir === "" ? "thrown away in the end" : stateDir}

One call with a key that you cannot see, through the proxy:

  ${curl} -H "Authorization: Bearer ${token}" ${proxyOrigin}/v1/proxy/demo/hello
`);
}

function portFrom(name: string): number | undefined {
  const value = process.env[name];
  if (value === undefined || value === "") return undefined;
  const port = Number(value);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`${name} must be a port number, not "${value}".`);
}

/** Settings of the Worker that the person sets. Signing in stays with the local provider, which the demo needs. */
function settingsFromEnvironment(): Record<string, string> {
  const { vars, secrets } = readSettings();
  const names = [...Object.keys(vars), ...secrets.required].filter((name) => !name.startsWith("OIDC_"));
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function openBrowser(address: string): void {
  const [command = "", ...args] =
    process.platform === "darwin" ? ["open"] : process.platform === "win32" ? ["cmd", "/c", "start", ""] : ["xdg-open"];
  const browser = spawn(command, [...args, address], { stdio: "ignore", detached: true });
  browser.once("error", () => console.log(`No browser could be opened: go to ${address}`));
  browser.unref();
}

// The runtime and the data folder tidy up after themselves when the process ends.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(0));
try {
  await start();
} catch (fault) {
  console.error(fault instanceof Error ? fault.message : fault);
  process.exit(1);
}
