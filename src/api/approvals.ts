import { ask } from "../vault/answer.ts";
import { pageOf, type Handlers } from "./operation.ts";
import type { APPROVAL_OPERATIONS } from "./schema.ts";

export const approvalHandlers: Handlers<typeof APPROVAL_OPERATIONS> = {
  listApprovals: async ({ vault, who, query }) => pageOf(await ask(vault.listQuestions(who.caller)), query),
  getApproval: ({ vault, who, param }) => ask(vault.readQuestion(who.caller, param("id"))),
  answerApproval: ({ vault, who, param, body }) => ask(vault.answerQuestion(who.caller, param("id"), body.decision)),
};
