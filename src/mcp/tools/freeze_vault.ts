import * as z from "zod";
import { accountHandlers } from "../../api/account.ts";
import { Receipt } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { confirmedName } from "../shapes.ts";
import { tool } from "../tool.ts";

export const freeze_vault = tool({
  name: "freeze_vault",
  title: "Freeze the vault",
  description:
    "Stops everything at once: every key, token, device and client, this one too. Only the owner can undo it, by signing in afresh. For emergencies; the owner is asked first.",
  scope: "vault:write",
  effect: "destroys",
  input: z.strictObject({ confirm: confirmedName('the word "freeze"') }),
  output: Receipt,
  run: async ({ person, ...by }, { confirm }) => {
    const question = "Freeze the whole vault? Everything stops, this client too.";
    await person.confirm({ act: "freeze_vault", subject: by.visit.vault_id, name: "freeze", question }, confirm);
    return answerOf(await accountHandlers.freeze({ ...operationOf(by, "vault:write"), query: {}, body: {} }));
  },
});
