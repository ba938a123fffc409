import { route } from "./router.ts";
import { withPatience } from "./stores.ts";

export { McpSession } from "./mcp/session_object.ts";
export { UserVault } from "./vault/vault.ts";

export default {
  fetch: (request, env, ctx) => route(request, withPatience(env), ctx),
} satisfies ExportedHandler<Env>;
