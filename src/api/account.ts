import { listProviders } from "../catalog/catalog.ts";
import { ask } from "../vault/answer.ts";
import { paged, type Handler, type Queried } from "./operation.ts";
import { wireReceipt, wireSession, wireTime } from "./wire.ts";

export const accountHandlers = {
  listProviders: async ({ query }) => {
    const { limit, cursor }: Queried = query;
    const all = listProviders();
    const from = cursor === undefined ? 0 : all.findIndex(({ id }) => id === cursor) + 1;
    return paged(all.slice(from, from + limit + 1), limit, ({ id }) => id);
  },
  listSessions: async ({ vault, who, query }) => {
    const { limit, cursor }: Queried = query;
    const { session } = await ask(vault.me(who.caller));
    const sessions = await ask(vault.listTokens(who.caller, "ses", cursor, limit + 1));
    return paged(
      sessions.map((one) => wireSession(one, one.id === session.id)),
      limit,
      ({ id }) => id,
    );
  },
  revokeSession: async ({ vault, who, param }) => wireReceipt(await ask(vault.revokeSession(who.caller, param("id")))),
  me: async ({ vault, who }) => {
    const { account_id, identities, session } = await ask(vault.me(who.caller));
    return {
      account_id,
      identities: identities.map(({ issuer, email, name, linked_at }) => ({
        issuer,
        email: email ?? undefined,
        name: name ?? undefined,
        linked_at: wireTime(linked_at),
      })),
      session: session.kind === "ses" ? wireSession(session, true) : undefined,
    };
  },
} satisfies Record<string, Handler>;
