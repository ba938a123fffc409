import { connect } from "../support/oauth.ts";
import type { Children, Started } from "./children.ts";
import { measureMcp, mcpLane, type McpServer } from "./parts/mcp.ts";
import { lockerServer, measureTokens, providerServer, type Tokens } from "./parts/tokens.ts";
import type { Throughput } from "./parts/throughput.ts";
import { Processes } from "./processes.ts";
import { openAccounts, type Account } from "./targets/accounts.ts";

/** Tokens and tools beside what others offer on the same runtime. */
export type Peers = { tokens: Tokens[]; mcp: Record<string, Throughput>; ratios: Record<string, number> };

type Served = Extract<Started, { port: number }>;

const PEOPLE = 16;
const [OURS, OURS_MANY, PROVIDER, SDK, AGENT] = [
  "apilocker",
  "apilocker, many vaults",
  "workers-oauth-provider",
  "mcp sdk",
  "McpAgent",
];

export async function measurePeers(children: Children, say: (line: string) => void): Promise<Peers> {
  say("starting the peers");
  const [locker, provider, sdk, agent] = await Promise.all(
    ["apilocker", "oauth_provider", "mcp_sdk", "mcp_agent"].map(async (name) => served(await children.start(name, 1))),
  );
  if (locker === undefined || provider === undefined || sdk === undefined || agent === undefined) throw new Error();
  const origin = locker.publicOrigin ?? "";
  const accounts = await openAccounts(origin, 1, PEOPLE);
  const [first] = accounts as [Account];

  say("codes and refreshes");
  const tokens = await measureTokens(
    [
      await lockerServer(OURS, origin, [first]),
      await lockerServer(OURS_MANY, origin, accounts),
      await providerServer(PROVIDER, `http://localhost:${provider.port}`),
    ],
    { rounds: 5, window_ms: 800 },
  );

  say("tools");
  const { access_token } = await connect({ publicOrigin: origin }, first.person, { scope: "vault:read" });
  const ours = server(OURS, { ...locker, port: Number(new URL(origin).port) }, "/v1/mcp", access_token);
  const mcp = await measureMcp(
    {
      current: [ours, server(SDK, sdk, "/mcp", "nobody")],
      sessions: [ours, server(AGENT, agent, "/mcp", "nobody")],
    },
    { rounds: 3, window_ms: 700 },
  );
  return { tokens, mcp: Object.fromEntries(mcp), ratios: ratiosOf(tokens, mcp) };
}

/** The figures for people. */
export function tellPeers({ tokens, mcp, ratios }: Peers): string {
  const lines = [
    ...tokens.map(
      ({ name, exchanges, refreshes }) =>
        `${name}: ${exchanges.toFixed(0)} codes/s, ${refreshes.toFixed(0)} refreshes/s`,
    ),
    ...Object.entries(mcp).map(
      ([name, { rps, cpu_ms, failed }]) =>
        `${name}: ${rps.toFixed(0)}/s, ${cpu_ms?.toFixed(2) ?? "–"} ms of CPU each, ${failed} failed`,
    ),
    ...Object.entries(ratios).map(([name, ratio]) => `${name}: ${ratio.toFixed(2)}`),
  ];
  return lines.join("\n");
}

function ratiosOf(tokens: readonly Tokens[], mcp: ReadonlyMap<string, Throughput>): Record<string, number> {
  const given = (name: string) => tokens.find((one) => one.name === name);
  const rps = (...lane: Parameters<typeof mcpLane>) => mcp.get(mcpLane(...lane))?.rps ?? Number.NaN;
  const over = (name: string, figure: "refreshes" | "exchanges") =>
    (given(name)?.[figure] ?? Number.NaN) / (given(PROVIDER)?.[figure] ?? Number.NaN);
  return {
    refresh_vs_workers_oauth_provider: over(OURS, "refreshes"),
    refresh_many_vaults_vs_workers_oauth_provider: over(OURS_MANY, "refreshes"),
    exchange_vs_workers_oauth_provider: over(OURS, "exchanges"),
    exchange_many_vaults_vs_workers_oauth_provider: over(OURS_MANY, "exchanges"),
    mcp_list_vs_sdk: rps(OURS, "current", "tools/list") / rps(SDK, "current", "tools/list"),
    mcp_call_vs_sdk: rps(OURS, "current", "tools/call") / rps(SDK, "current", "tools/call"),
    mcp_session_list_vs_mcp_agent: rps(OURS, "session", "tools/list") / rps(AGENT, "session", "tools/list"),
    mcp_session_call_vs_mcp_agent: rps(OURS, "session", "tools/call") / rps(AGENT, "session", "tools/call"),
  };
}

function server(name: string, { port, pid }: Served, path: string, token: string): McpServer {
  const target = { name, port, foreign: false, processes: Processes.below(pid), call: () => Buffer.alloc(0) };
  return { target, path, token };
}

function served(started: Started): Served {
  if ("skipped" in started) throw new Error(started.skipped);
  return started;
}
