import * as z from "zod";
import { tokenHandlers } from "../../api/tokens.ts";
import { Receipt } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { confirmedName, idOf } from "../shapes.ts";
import { tool } from "../tool.ts";

export const revoke_token = tool({
  name: "revoke_token",
  title: "Revoke an app token",
  description: "Ends an app token and cuts what it has open. The owner is asked first.",
  scope: "vault:write",
  effect: "destroys",
  input: z.strictObject({ id: idOf("an app token"), confirm: confirmedName("the token's name") }),
  output: Receipt,
  run: async ({ person, ...by }, { id, confirm }) => {
    const asked = operationOf(by, "vault:write", { id });
    const { name } = answerOf(await tokenHandlers.getToken({ ...asked, query: {}, body: {} }));
    const question = `Revoke the app token "${name}"? Apps that use it stop at once.`;
    await person.confirm({ act: "revoke_token", subject: id, name, question }, confirm);
    return answerOf(await tokenHandlers.revokeToken({ ...asked, query: {}, body: {} }));
  },
});
