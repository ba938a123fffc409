// One target in a process of its own: `node host.ts <name> <upstream port>`. Says on one line of JSON where it serves, and
// lives as long as its standard input: however the bench ends, nothing stays behind.

/** A running target, or why there is none. `says` goes to the bench. */
export type Host =
  | { says: { port: number; vaultPort?: number; publicOrigin?: string }; stop(): Promise<void> }
  | { skipped: string };

/** Each loads only what it needs. */
const HOSTS: Record<string, (upstream: number) => Promise<Host>> = {
  upstream: async () => (await import("./upstream.ts")).serveUpstream(),
  nginx: async (upstream) => (await import("./nginx.ts")).serveNginx(upstream),
  workerd: async (upstream) => (await import("./workerd.ts")).servePass(upstream),
  skeleton: async (upstream) => (await import("./workerd.ts")).serveSkeleton(upstream),
  cutter: async (upstream) => (await import("./workerd.ts")).serveCutter(upstream),
  cutter_with_events: async (upstream) => (await import("./workerd.ts")).serveCutter(upstream, "events"),
  apilocker: async () => (await import("./apilocker.ts")).serveLocker(),
  apilocker_with_events: async () => (await import("./apilocker.ts")).serveLocker({ neighbour: "events" }),
  apilocker_elsewhere: async () => (await import("./apilocker.ts")).serveLocker({ elsewhere: true }),
  oauth_provider: async () => (await import("./workerd.ts")).serveOAuthProvider(),
  mcp_sdk: async () => (await import("./workerd.ts")).serveMcpSdk(),
  mcp_agent: async () => (await import("./workerd.ts")).serveMcpAgent(),
  portkey: async () => (await import("./portkey.ts")).servePortkey(),
};

const [name = "", upstream = "0"] = process.argv.slice(2);
const start = HOSTS[name];
if (start === undefined) throw new Error(`There is no target ${name}.`);
const host = await start(Number(upstream));
if ("skipped" in host) console.log(JSON.stringify(host));
else {
  console.log(JSON.stringify(host.says));
  process.stdin.resume().once("end", () => void host.stop().finally(() => process.exit()));
}
