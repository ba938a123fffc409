/** How a program is told of a remote MCP server. */
export type Recipe = {
  id: string;
  name: string;
  /** What to do, where it is more than to paste. */
  steps: readonly string[];
  /** What to paste. */
  paste: (url: string) => string;
};

const json = (value: unknown) => JSON.stringify(value, null, 2);

/** The clients that people use, each in its own words. None of them is given a token: they ask, and the person consents. */
export const RECIPES: readonly Recipe[] = [
  {
    id: "claude-code",
    name: "Claude Code",
    steps: ["Run this, then /mcp inside Claude Code to sign in."],
    paste: (url) => `claude mcp add --transport http apilocker ${url}`,
  },
  {
    id: "claude",
    name: "Claude",
    steps: ["Settings → Connectors → Add custom connector.", "Paste this address and press Connect."],
    paste: (url) => url,
  },
  {
    id: "chatgpt",
    name: "ChatGPT",
    steps: [
      "Settings → Apps → Advanced settings → Developer mode, then Create app.",
      "Paste this address; authentication is OAuth.",
    ],
    paste: (url) => url,
  },
  {
    id: "codex",
    name: "Codex",
    steps: ["Run this; it opens the sign-in by itself."],
    paste: (url) => `codex mcp add apilocker --url ${url}`,
  },
  {
    id: "cursor",
    name: "Cursor",
    steps: [
      "Put this into .cursor/mcp.json, or ~/.cursor/mcp.json for every project, then press Connect in the MCP settings.",
    ],
    paste: (url) => json({ mcpServers: { apilocker: { url } } }),
  },
  {
    id: "vscode",
    name: "VS Code",
    steps: ["Put this into .vscode/mcp.json, then press Start above it."],
    paste: (url) => json({ servers: { apilocker: { type: "http", url } } }),
  },
  {
    id: "gemini",
    name: "Gemini CLI",
    steps: ["Run this, then /mcp auth apilocker inside."],
    paste: (url) => `gemini mcp add --transport http apilocker ${url}`,
  },
  {
    id: "zed",
    name: "Zed",
    steps: ["Put this into settings.json."],
    paste: (url) => json({ context_servers: { apilocker: { url } } }),
  },
  {
    id: "windsurf",
    name: "Windsurf",
    steps: ["Put this into ~/.codeium/windsurf/mcp_config.json."],
    paste: (url) => json({ mcpServers: { apilocker: { serverUrl: url } } }),
  },
  {
    id: "other",
    name: "Any other",
    steps: ["A client that speaks only stdio starts this; it opens the sign-in and carries the rest."],
    paste: (url) => json({ mcpServers: { apilocker: { command: "npx", args: ["-y", "mcp-remote", url] } } }),
  },
];
