import { route } from "./router.ts";

export { UserVault } from "./vault/vault.ts";

export default { fetch: route } satisfies ExportedHandler<Env>;
