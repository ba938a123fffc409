import type { Route } from "./client.ts";

/**
 * What a command prints with `--json`: the answer of an operation as the API's documentation has it, or fields of its own. A field
 * with `?` may be absent; `items` says what is in the list of that name.
 */
export type Printed = Route | { fields: readonly string[]; items?: readonly string[]; when?: string };

/** By command. What stands at the top and under `keys` is the same command. */
export const PRINTED: Readonly<Record<string, Printed | undefined>> = {
  login: { fields: ["profile", "url", "account", "device_id"] },
  logout: { fields: ["profile", "signed_out", "receipt?"] },
  whoami: { fields: ["account", "url", "profile", "device?"] },
  unlock: { fields: ["reveal_until"] },
  lock: "PATCH /devices/{id}",
  profiles: { fields: ["items"], items: ["name", "current", "url", "account", "device_id"] },
  store: "POST /keys",
  list: "GET /keys",
  get: "POST /keys/{key}/reveal",
  rotate: "POST /keys/{key}/rotate",
  rename: "PATCH /keys/{key}",
  pause: "POST /keys/{key}/pause",
  resume: "POST /keys/{key}/resume",
  delete: "DELETE /keys/{key}",
  import: { fields: ["items"], items: ["name", "done?", "detail?", "provider?", "status?"] },
  show: "GET /keys/{key}",
  test: "POST /keys/{key}/test",
  connect: "POST /keys/{key}/connect",
  "entry-link": "POST /keys/{key}/entry-link",
  env: { fields: [], when: "each variable's name with its value" },
  init: { fields: ["path", "keys"] },
  "tokens create": "POST /tokens",
  "tokens list": "GET /tokens",
  "tokens show": "GET /tokens/{id}",
  "tokens pause": "POST /tokens/{id}/pause",
  "tokens resume": "POST /tokens/{id}/resume",
  "tokens revoke": "DELETE /tokens/{id}",
  "clients list": "GET /grants",
  "clients pause": "POST /grants/{id}/pause",
  "clients revoke": "DELETE /grants/{id}",
  "devices list": "GET /devices",
  "devices rename": "PATCH /devices/{id}",
  "devices revoke": "DELETE /devices/{id}",
  "approvals list": "GET /approvals",
  "approvals show": "GET /approvals/{id}",
  "approvals approve": "POST /approvals/{id}",
  "approvals deny": "POST /approvals/{id}",
  "approvals open": { fields: ["id", "url"] },
  activity: "GET /activity",
  verify: "GET /activity/verify",
  doctor: "GET /doctor",
  explain: "POST /explain",
  providers: "GET /providers",
  alerts: "GET /alerts",
  freeze: "POST /vault/freeze",
  unfreeze: { fields: ["url"] },
  sync: { fields: ["items", "written"], items: ["name", "change"] },
  "mcp config": { fields: ["client", "text", "where"] },
  update: { fields: ["version", "command"] },
  // Their output is not theirs: a child's, JSON-RPC, a shell's script.
  run: undefined,
  mcp: undefined,
  completion: undefined,
};

/** The name under which a command stands above. */
export function printedBy(path: string): Printed | undefined {
  return PRINTED[path.replace(/^keys add$/, "store").replace(/^keys /, "")];
}
