import { grantsScope, type Scope } from "../vault/policy/scopes.ts";
import { describe, type Tool } from "./tool.ts";
import { delete_key } from "./tools/delete_key.ts";
import { explain_access } from "./tools/explain_access.ts";
import { get_activity } from "./tools/get_activity.ts";
import { get_key_metadata } from "./tools/get_key_metadata.ts";
import { list_clients } from "./tools/list_clients.ts";
import { list_devices } from "./tools/list_devices.ts";
import { list_keys } from "./tools/list_keys.ts";
import { list_providers } from "./tools/list_providers.ts";
import { list_tokens } from "./tools/list_tokens.ts";
import { pause_key } from "./tools/pause_key.ts";
import { pause_token } from "./tools/pause_token.ts";
import { proxy_request } from "./tools/proxy_request.ts";
import { rename_key } from "./tools/rename_key.ts";
import { resume_key } from "./tools/resume_key.ts";
import { resume_token } from "./tools/resume_token.ts";
import { revoke_client } from "./tools/revoke_client.ts";
import { revoke_device } from "./tools/revoke_device.ts";
import { revoke_token } from "./tools/revoke_token.ts";
import { run_doctor } from "./tools/run_doctor.ts";
import { store_key } from "./tools/store_key.ts";
import { store_oauth_credential } from "./tools/store_oauth_credential.ts";
import { rotate_key } from "./tools/rotate_key.ts";
import { reveal_key } from "./tools/reveal_key.ts";
import { connect_key } from "./tools/connect_key.ts";
import { create_token } from "./tools/create_token.ts";
import { freeze_vault } from "./tools/freeze_vault.ts";

/** Every tool, in the order in which they are listed; both eras are served from this table. */
const TOOLS: readonly Tool[] = [
  list_keys,
  get_key_metadata,
  list_providers,
  get_activity,
  run_doctor,
  list_tokens,
  list_devices,
  list_clients,
  explain_access,
  proxy_request,
  store_key,
  store_oauth_credential,
  connect_key,
  rotate_key,
  rename_key,
  pause_key,
  resume_key,
  delete_key,
  create_token,
  pause_token,
  resume_token,
  revoke_token,
  revoke_device,
  revoke_client,
  freeze_vault,
  reveal_key,
];

const BY_NAME = new Map(TOOLS.map((tool) => [tool.name, tool]));
const LISTED = TOOLS.map((tool) => ({ scope: tool.scope, told: describe(tool) }));

export function toolNamed(name: string): Tool | undefined {
  return BY_NAME.get(name);
}

/** What whoever has these scopes may use, as it is listed. */
export function toolsWithin(scopes: readonly Scope[]) {
  return LISTED.filter(({ scope }) => grantsScope(scopes, scope)).map(({ told }) => told);
}
