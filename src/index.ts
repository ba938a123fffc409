import { route } from "./router.ts";

export { McpSession } from "./mcp/session_object.ts";
export { UserVault } from "./vault/vault.ts";

export default { fetch: route } satisfies ExportedHandler<Env>;
