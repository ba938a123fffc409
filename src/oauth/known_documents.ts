/**
 * Documents of clients that many people use, by their exact address. Their hosts sometimes answer a server's fetch with a challenge for
 * browsers; then what we know of them stands in. Never by domain: another document of the same host is nobody we know.
 */
export const KNOWN_DOCUMENTS: ReadonlyMap<
  string,
  { client_name: string; client_uri: string; redirect_uris: string[] }
> = new Map([
  [
    "https://claude.ai/oauth/mcp-oauth-client-metadata",
    {
      client_name: "Claude",
      client_uri: "https://claude.ai/",
      redirect_uris: ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
    },
  ],
  [
    "https://claude.ai/oauth/claude-code-client-metadata",
    {
      client_name: "Claude Code",
      client_uri: "https://claude.ai/",
      redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"],
    },
  ],
  [
    "https://chatgpt.com/oauth/client.json",
    {
      client_name: "ChatGPT",
      client_uri: "https://chatgpt.com/",
      redirect_uris: ["https://chatgpt.com/connector_platform_oauth_redirect"],
    },
  ],
  [
    "https://chatgpt.com/oauth/codex/client.json",
    { client_name: "Codex", client_uri: "https://chatgpt.com/", redirect_uris: ["http://127.0.0.1/callback"] },
  ],
  [
    "https://vscode.dev/oauth/client-metadata.json",
    {
      client_name: "Visual Studio Code",
      client_uri: "https://vscode.dev/",
      redirect_uris: ["http://127.0.0.1/", "http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
    },
  ],
  [
    "https://zed.dev/oauth/client-metadata.json",
    { client_name: "Zed", client_uri: "https://zed.dev/", redirect_uris: ["http://127.0.0.1/callback"] },
  ],
  [
    "https://opencode.ai/oauth/opencode/client.json",
    {
      client_name: "OpenCode",
      client_uri: "https://opencode.ai/",
      // Its document lists the first and it uses the second.
      redirect_uris: ["http://127.0.0.1/callback", "http://127.0.0.1/mcp/oauth/callback"],
    },
  ],
]);
