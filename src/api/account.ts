import { cookie, SESSION_COOKIE } from "../auth/cookies.ts";
import { listProviders } from "../catalog/catalog.ts";
import { configOf } from "../config.ts";
import { unlinkFromVault } from "../directory/accounts.ts";
import { ask } from "../vault/answer.ts";
import { exportedAccount } from "./export_account.ts";
import { paged, pageOf, type Handlers } from "./operation.ts";
import type { ACCOUNT_OPERATIONS } from "./schema.ts";
import { wireIdentity, wireMe, wireReceipt, wireSession } from "./wire.ts";

export const accountHandlers: Handlers<typeof ACCOUNT_OPERATIONS> = {
  listProviders: async ({ query }) => {
    const { category, q = "" } = query;
    const wanted = q.toLowerCase();
    const found = listProviders(category).filter(({ id, name }) => `${id} ${name}`.toLowerCase().includes(wanted));
    return pageOf(found, query);
  },
  listSessions: async ({ vault, who, query }) => {
    const { limit, cursor } = query;
    const { session } = await ask(vault.me(who.caller));
    const sessions = await ask(vault.listSessions(who.caller, cursor, limit + 1));
    return paged(
      sessions.map((one) => wireSession(one, one.id === session.id)),
      limit,
      ({ id }) => id,
    );
  },
  renameSession: async ({ vault, who, param, body: { name } }) => {
    const session = await ask(vault.renameSession(who.caller, param("id"), name));
    return wireSession(session, session.hash === who.caller.hash);
  },
  revokeSession: async ({ vault, who, param }) => wireReceipt(await ask(vault.revokeSession(who.caller, param("id")))),
  revokeSessions: async ({ vault, who }) => wireReceipt(await ask(vault.revokeSessions(who.caller))),
  freeze: async ({ vault, who }) => wireReceipt(await ask(vault.freeze(who.caller))),
  unfreeze: async ({ env, vault, who }) => {
    await ask(vault.unfreeze(who.caller));
    return wireMe(await ask(vault.me(who.caller)), configOf(env));
  },
  doctor: async ({ vault, who, query }) => pageOf(await ask(vault.doctor(who.caller)), query),
  exportMe: ({ env, vault, who }) => exportedAccount(env, vault, who),
  deleteMe: async ({ env, vault, who }) => {
    const receipt = wireReceipt(await ask(vault.deleteAccount(who.caller)));
    const headers = { "cache-control": "no-store", "set-cookie": cookie(configOf(env), SESSION_COOKIE, "", 0) };
    return Response.json(receipt, { headers });
  },
  me: async ({ env, vault, who }) => wireMe(await ask(vault.me(who.caller)), configOf(env)),
  listIdentities: async ({ vault, who, query }) =>
    pageOf((await ask(vault.me(who.caller))).identities.map(wireIdentity), query),
  unlinkIdentity: async ({ env, vault, who, body }) => {
    const receipt = await ask(vault.unlink(who.caller, body));
    // The vault's list decides: what D1 still says meanwhile opens nothing (SECURITY S11).
    await unlinkFromVault(env.DB, body, who.vault_id);
    return wireReceipt(receipt);
  },
  changeMe: async ({ env, vault, who, body }) => {
    const { name } = body;
    await ask(vault.nameAccount(who.caller, name));
    return wireMe(await ask(vault.me(who.caller)), configOf(env));
  },
};
