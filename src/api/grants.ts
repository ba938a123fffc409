import { ask } from "../vault/answer.ts";
import { paged, type Handlers } from "./operation.ts";
import type { GRANT_OPERATIONS } from "./schema.ts";
import { wireGrant, wireReceipt } from "./wire.ts";

export const grantHandlers: Handlers<typeof GRANT_OPERATIONS> = {
  listGrants: async ({ vault, who, query }) => {
    const { limit, cursor } = query;
    const grants = await ask(vault.listGrants(who.caller, cursor, limit + 1));
    return paged(grants.map(wireGrant), limit, ({ id }) => id);
  },
  getGrant: async ({ vault, who, param }) => wireGrant(await ask(vault.getGrant(who.caller, param("id")))),
  narrowGrant: async ({ vault, who, param, body }) => {
    const { scopes, keys, ask: asking, expires_at } = body;
    const to = { scopes, keys, ask: asking, expires_at: expires_at === undefined ? undefined : Date.parse(expires_at) };
    return wireGrant(await ask(vault.narrowGrant(who.caller, param("id"), to)));
  },
  restoreGrant: async ({ vault, who, param }) => wireGrant(await ask(vault.giveGrantBack(who.caller, param("id")))),
  pauseGrant: async ({ vault, who, param }) => wireGrant(await ask(vault.pauseGrant(who.caller, param("id")))),
  resumeGrant: async ({ vault, who, param }) => wireGrant(await ask(vault.resumeGrant(who.caller, param("id")))),
  revokeGrant: async ({ vault, who, param }) => wireReceipt(await ask(vault.revokeGrant(who.caller, param("id")))),
};
