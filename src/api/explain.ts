import { ask } from "../vault/answer.ts";
import type { Handlers } from "./operation.ts";
import type { EXPLAIN_OPERATIONS } from "./schema/explain.ts";

export const explainHandlers: Handlers<typeof EXPLAIN_OPERATIONS> = {
  explain: async ({ vault, who, body }) => {
    const { origin } = who.caller;
    const { token_id, key = null, method, path, ip = origin.ip, country = origin.country, at } = body;
    const question = { token_id, key, method: method.toUpperCase(), path, ip, country: country.toUpperCase() };
    const when = at === undefined ? Date.now() : Date.parse(at);
    const { refusal, would_refuse, ...told } = await ask(vault.explain(who.caller, { ...question, at: when }));
    const on_trial = would_refuse && { rule: would_refuse.rule, detail: would_refuse.detail };
    return { ...told, ...refusal, would_refuse: on_trial };
  },
};
