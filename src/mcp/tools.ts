import type { Scope } from "../vault/scopes.ts";
import { describe, type Tool } from "./tool.ts";
import { get_activity } from "./tools/get_activity.ts";
import { get_key_metadata } from "./tools/get_key_metadata.ts";
import { list_clients } from "./tools/list_clients.ts";
import { list_keys } from "./tools/list_keys.ts";
import { list_providers } from "./tools/list_providers.ts";
import { list_tokens } from "./tools/list_tokens.ts";
import { run_doctor } from "./tools/run_doctor.ts";
import { holds, type Visit } from "./visit.ts";

/** Every tool, in the order in which they are listed; both eras are served from this table. */
const TOOLS: readonly Tool[] = [
  list_keys,
  get_key_metadata,
  list_providers,
  get_activity,
  run_doctor,
  list_tokens,
  list_clients,
];

const BY_NAME = new Map(TOOLS.map((tool) => [tool.name, tool]));
const DESCRIBED = new Map(TOOLS.map((tool) => [tool.name, describe(tool)]));

export function toolNamed(name: string): Tool | undefined {
  return BY_NAME.get(name);
}

export function scopeOfTool(name: string): Scope | undefined {
  return BY_NAME.get(name)?.scope;
}

/** What this caller may use, as it is listed. */
export function toolsFor(visit: Visit) {
  return TOOLS.filter(({ scope }) => holds(visit, scope)).map(
    ({ name }) => DESCRIBED.get(name) as ReturnType<typeof describe>,
  );
}
