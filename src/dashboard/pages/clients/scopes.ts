import type { Client } from "./list.tsx";

type Scope = Client["scopes"][number];

/** Scopes in plain words, as on the consent page. */
export const MEANING: Record<Scope, string> = {
  "vault:read": "See the names and details of keys, apps and activity. Not the secrets.",
  "vault:proxy": "Use keys: call the services they are for, without seeing them.",
  "vault:write": "Change things: add, rotate, pause and delete keys, make and revoke tokens.",
  "vault:reveal": "Ask to see a secret itself. You confirm each one on a page of ours.",
};
