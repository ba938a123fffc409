/** How an MCP client is told of a server: what to write, and where. */
export type Recipe = { text: string; where: string };

/** Who is asked: the bridge on this computer, or the locker itself. */
export type Way = { kind: "bridge"; command: string; args: string[] } | { kind: "remote"; url: string };

type Client = { name: string; bridge: Shape | string; remote: Shape | string };
/** A snippet and its place. A text instead says why there is none. */
type Shape = { where: string; write: (way: never) => string };

type Bridge = Extract<Way, { kind: "bridge" }>;
type Remote = Extract<Way, { kind: "remote" }>;

const json = (value: unknown) => JSON.stringify(value, null, 2);
const stdio = ({ command, args }: Bridge) => ({ command, args });
const servers = (key: string, entry: unknown) => json({ [key]: { apilocker: entry } });

/** A client whose file lists `mcpServers`, as most do; only what a remote one is called differs. */
function usual(name: string, where: string, remote: (way: Remote) => unknown): Client {
  return {
    name,
    bridge: { where, write: (way: Bridge) => servers("mcpServers", stdio(way)) },
    remote: { where, write: (way: Remote) => servers("mcpServers", remote(way)) },
  };
}

const CLIENTS: Readonly<Record<string, Client>> = {
  "claude-code": {
    name: "Claude Code",
    bridge: {
      where: "Run this in a terminal",
      write: ({ command, args }: Bridge) => ["claude mcp add apilocker --", command, ...args].join(" "),
    },
    remote: {
      where: "Run this in a terminal, then /mcp in Claude Code to sign in",
      write: ({ url }: Remote) => `claude mcp add --transport http apilocker ${url}`,
    },
  },
  "claude-desktop": {
    ...usual("Claude Desktop", "Settings → Developer → Edit Config (claude_desktop_config.json)", () => ({})),
    remote: { where: "Settings → Connectors → Add custom connector", write: ({ url }: Remote) => url },
  },
  claude: {
    name: "Claude (web, mobile)",
    bridge: "It runs no programs on this computer; connect it to the locker itself: add --remote.",
    remote: { where: "Settings → Connectors → Add custom connector", write: ({ url }: Remote) => url },
  },
  chatgpt: {
    name: "ChatGPT",
    bridge: "It runs no programs on this computer; connect it to the locker itself: add --remote.",
    remote: { where: "Settings → Apps → Create app, with OAuth (in developer mode)", write: ({ url }: Remote) => url },
  },
  cursor: usual("Cursor", "~/.cursor/mcp.json", ({ url }) => ({ url })),
  vscode: {
    name: "VS Code",
    bridge: {
      where: ".vscode/mcp.json",
      write: (way: Bridge) => servers("servers", { type: "stdio", ...stdio(way) }),
    },
    remote: { where: ".vscode/mcp.json", write: ({ url }: Remote) => servers("servers", { type: "http", url }) },
  },
  windsurf: usual("Windsurf", "~/.codeium/windsurf/mcp_config.json", ({ url }) => ({ serverUrl: url })),
  cline: usual("Cline", "MCP Servers → Configure (cline_mcp_settings.json)", ({ url }) => ({
    type: "streamableHttp",
    url,
  })),
  // Google's successor of Gemini CLI for people's own accounts.
  antigravity: usual("Antigravity", "~/.gemini/config/mcp_config.json", ({ url }) => ({ serverUrl: url })),
  "copilot-cli": {
    name: "Copilot CLI",
    bridge: {
      where: "~/.copilot/mcp-config.json",
      write: (way: Bridge) => servers("mcpServers", { type: "local", ...stdio(way), tools: ["*"] }),
    },
    remote: {
      where: "~/.copilot/mcp-config.json",
      write: ({ url }: Remote) => servers("mcpServers", { type: "http", url, tools: ["*"] }),
    },
  },
  "gemini-cli": usual("Gemini CLI", "~/.gemini/settings.json", ({ url }) => ({ httpUrl: url })),
  "lm-studio": usual("LM Studio", "~/.lmstudio/mcp.json", ({ url }) => ({ url })),
  zed: {
    name: "Zed",
    bridge: {
      where: "~/.config/zed/settings.json",
      write: (way: Bridge) => servers("context_servers", { source: "custom", ...stdio(way), env: {} }),
    },
    remote: { where: "~/.config/zed/settings.json", write: ({ url }: Remote) => servers("context_servers", { url }) },
  },
  opencode: {
    name: "opencode",
    bridge: {
      where: "opencode.json",
      write: ({ command, args }: Bridge) =>
        servers("mcp", { type: "local", command: [command, ...args], enabled: true }),
    },
    remote: {
      where: "opencode.json",
      write: ({ url }: Remote) => servers("mcp", { type: "remote", url, enabled: true }),
    },
  },
  codex: {
    name: "Codex",
    bridge: {
      where: "Run this in a terminal",
      write: ({ command, args }: Bridge) => ["codex mcp add apilocker --", command, ...args].join(" "),
    },
    remote: {
      where: "Run this in a terminal; it opens the sign-in by itself",
      write: ({ url }: Remote) => `codex mcp add apilocker --url ${url}`,
    },
  },
  continue: {
    name: "Continue",
    bridge: {
      where: ".continue/mcpServers/apilocker.yaml",
      write: ({ command, args }: Bridge) =>
        `${CONTINUE}    command: ${JSON.stringify(command)}\n    args: ${JSON.stringify(args)}`,
    },
    remote: {
      where: ".continue/mcpServers/apilocker.yaml",
      write: ({ url }: Remote) => `${CONTINUE}    type: streamable-http\n    url: ${JSON.stringify(url)}`,
    },
  },
  goose: {
    name: "goose",
    bridge: {
      where: "~/.config/goose/config.yaml",
      write: ({ command, args }: Bridge) =>
        `${GOOSE}    type: stdio\n    cmd: ${JSON.stringify(command)}\n    args: ${JSON.stringify(args)}`,
    },
    remote: {
      where: "~/.config/goose/config.yaml",
      write: ({ url }: Remote) => `${GOOSE}    type: streamable_http\n    uri: ${JSON.stringify(url)}`,
    },
  },
  "mcp-remote": {
    name: "a client that runs programs only",
    bridge: "It is a bridge itself; use generic for ours.",
    remote: {
      where: "the client's configuration",
      write: ({ url }: Remote) => servers("mcpServers", { command: "npx", args: ["-y", "mcp-remote", url] }),
    },
  },
  inspector: {
    name: "MCP Inspector",
    bridge: {
      where: "Run this in a terminal",
      write: ({ command, args }: Bridge) => ["npx @modelcontextprotocol/inspector", command, ...args].join(" "),
    },
    remote: {
      where: "Run this in a terminal",
      write: ({ url }: Remote) => `npx @modelcontextprotocol/inspector --transport http --server-url ${url}`,
    },
  },
  generic: usual("any other", "the client's configuration", ({ url }) => ({ type: "http", url })),
};

const CONTINUE = "name: API Locker\nversion: 0.0.1\nschema: v1\nmcpServers:\n  - name: API Locker\n";
const GOOSE = "extensions:\n  apilocker:\n    name: API Locker\n    enabled: true\n    timeout: 300\n";

export const CLIENT_NAMES = Object.keys(CLIENTS);

/** What a client is called by those who use it. */
export function nameOfClient(client: string): string | undefined {
  return CLIENTS[client]?.name;
}

/** Where Windows keeps what elsewhere is under `~/.config`; all else is under the home folder there too. */
const ON_WINDOWS: Readonly<Record<string, string>> = {
  "~/.config/zed/settings.json": "%APPDATA%\\Zed\\settings.json",
  "~/.config/goose/config.yaml": "%APPDATA%\\Block\\goose\\config\\config.yaml",
};

function placeOn(platform: NodeJS.Platform, where: string): string {
  if (platform !== "win32" || !where.startsWith("~/")) return where;
  return ON_WINDOWS[where] ?? `%USERPROFILE%\\${where.slice(2).replaceAll("/", "\\")}`;
}

/** What to write for a client, or why that way is not its. */
export function recipeFor(client: string, way: Way, platform: NodeJS.Platform): Recipe | { no: string } {
  const known = CLIENTS[client];
  if (known === undefined) return { no: `${client} is not known; generic fits most.` };
  const shape = known[way.kind];
  if (typeof shape === "string") return { no: shape };
  return { text: (shape.write as (way: Way) => string)(way), where: placeOn(platform, shape.where) };
}

/** How this program is started by others: on Windows it is a batch file, which only cmd runs. */
export function bridgeWay(profile: string | undefined, platform: NodeJS.Platform): Bridge {
  const args = ["mcp", ...(profile === undefined ? [] : ["--profile", profile])];
  return platform === "win32"
    ? { kind: "bridge", command: "cmd", args: ["/c", "apilocker", ...args] }
    : { kind: "bridge", command: "apilocker", args };
}
