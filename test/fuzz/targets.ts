import type { Target } from "./fuzz.ts";

/** What is fuzzed: the source that is watched, and the file that says what must hold. */
export const TARGETS: Readonly<Record<string, { files: readonly string[]; load: () => Promise<{ target: Target }> }>> =
  {
    token: {
      files: ["src/crypto/token.ts", "src/crypto/encoding.ts"],
      load: () => import("./targets/token.ts"),
    },
    find_token: {
      files: ["src/proxy/find_token.ts", "src/proxy/query.ts", "src/proxy/scrub.ts", "src/proxy/escapes.ts"],
      load: () => import("./targets/find_token.ts"),
    },
    target: {
      files: ["src/proxy/target.ts", "src/vault/policy/path.ts"],
      load: () => import("./targets/target.ts"),
    },
    redirect: { files: ["src/proxy/target.ts"], load: () => import("./targets/redirect.ts") },
    headers: { files: ["src/proxy/headers.ts", "src/proxy/query.ts"], load: () => import("./targets/headers.ts") },
    path: { files: ["src/vault/policy/path.ts"], load: () => import("./targets/path.ts") },
    network: { files: ["src/vault/policy/network.ts"], load: () => import("./targets/network.ts") },
    scrub: {
      files: ["src/proxy/scrub.ts", "src/proxy/escapes.ts", "src/proxy/spellings.ts"],
      load: () => import("./targets/scrub.ts"),
    },
    event_stream: {
      files: ["src/cli/bridge/events.ts", "src/cli/bridge/message.ts"],
      load: () => import("./targets/event_stream.ts"),
    },
    json_rpc: { files: ["src/mcp/direct.ts"], load: () => import("./targets/json_rpc.ts") },
    env_file: { files: ["src/cli/env_file.ts"], load: () => import("./targets/env_file.ts") },
    rc_file: { files: ["src/cli/rc_file.ts"], load: () => import("./targets/rc_file.ts") },
    oauth: {
      files: [
        "src/oauth/authorization_request.ts",
        "src/oauth/form.ts",
        "src/oauth/redirects.ts",
        "src/oauth/scope.ts",
        "src/oauth/resource.ts",
      ],
      load: () => import("./targets/oauth.ts"),
    },
  };
