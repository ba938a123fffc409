import type { Holder } from "./holder.ts";

/** A way in which what a holder has open is ended, and the rule that its audit row names. */
export type Way = [what: string, rule: string, stop: (holder: Holder) => Promise<unknown>];

const SOON_MS = 700;

/** Every way that a person has. Each must cut streams and WebSockets alike. */
export const WAYS_TO_STOP: readonly Way[] = [
  ["its token is revoked", "revoked", ({ person, token_id }) => person.api("DELETE", `/v1/tokens/${token_id}`)],
  ["its token is paused", "token_paused", ({ person, token_id }) => person.api("POST", `/v1/tokens/${token_id}/pause`)],
  ["its key is paused", "key_paused", ({ person }) => person.api("POST", "/v1/keys/api/pause")],
  ["its key is deleted", "key_deleted", ({ person }) => person.api("DELETE", "/v1/keys/api")],
  ["its vault is frozen", "frozen", ({ person }) => person.api("POST", "/v1/vault/freeze")],
  [
    "its key is made to expire while it is open",
    "key_expired",
    ({ person }) => person.api("PATCH", "/v1/keys/api", { expires_at: new Date(Date.now() + SOON_MS).toISOString() }),
  ],
  [
    "its key is made to expire together with a new secret",
    "key_expired",
    ({ person }) => {
      const expires_at = new Date(Date.now() + SOON_MS).toISOString();
      return person.api("PATCH", "/v1/keys/api", { secret: "sk-test-another-0123456789", expires_at });
    },
  ],
];
