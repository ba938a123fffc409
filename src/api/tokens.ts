import { ask } from "../vault/answer.ts";
import { paged, type Handlers } from "./operation.ts";
import { policyChanges, policyInput } from "./policy.ts";
import type { TOKEN_OPERATIONS } from "./schema.ts";
import { wireIssued, wireReceipt, wireRefreshed, wireToken, wireTokenDetails } from "./wire.ts";

export const tokenHandlers: Handlers<typeof TOKEN_OPERATIONS> = {
  createToken: async ({ vault, who, body }) => {
    const { name, rotation, policy = {} } = body;
    return wireIssued(await ask(vault.createToken(who.caller, name, policyInput(policy), rotation)));
  },
  deriveToken: async ({ vault, who, body }) => {
    const { name, policy = {} } = body;
    return wireIssued(await ask(vault.deriveToken(who.caller, name, policyInput(policy))));
  },
  changeToken: async ({ vault, who, param, body }) => {
    const { name, policy } = body;
    return wireToken(
      await ask(vault.changeToken(who.caller, param("id"), { name, policy: policy && policyChanges(policy) })),
    );
  },
  refreshToken: async ({ vault, who }) => wireRefreshed(await ask(vault.refreshToken(who.caller))),
  listTokens: async ({ vault, who, query }) => {
    const { limit, cursor, ...filter } = query;
    const tokens = await ask(vault.listTokens(who.caller, cursor, limit + 1, filter));
    return paged(tokens.map(wireToken), limit, ({ id }) => id);
  },
  getToken: async ({ vault, who, param }) => wireTokenDetails(await ask(vault.getToken(who.caller, param("id")))),
  pauseToken: async ({ vault, who, param }) => wireToken(await ask(vault.pauseToken(who.caller, param("id")))),
  resumeToken: async ({ vault, who, param }) => wireToken(await ask(vault.resumeToken(who.caller, param("id")))),
  restoreToken: async ({ vault, who, param }) => wireToken(await ask(vault.giveTokenBack(who.caller, param("id")))),
  revokeToken: async ({ vault, who, param }) => wireReceipt(await ask(vault.revokeToken(who.caller, param("id")))),
};
