import * as z from "zod";
import { grantHandlers } from "../../api/grants.ts";
import { Receipt } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { confirmedName, idOf } from "../shapes.ts";
import { tool } from "../tool.ts";

export const revoke_client = tool({
  name: "revoke_client",
  title: "Disconnect a client",
  description:
    "Ends what an OAuth or MCP client was granted, with its tokens, sessions and streams. The owner is asked first.",
  scope: "vault:write",
  effect: "destroys",
  input: z.strictObject({ id: idOf("a connected client"), confirm: confirmedName("the client's name") }),
  output: Receipt,
  run: async ({ person, ...by }, { id, confirm }) => {
    const asked = operationOf(by, "vault:write", { id });
    const { client_name } = answerOf(await grantHandlers.getGrant({ ...asked, query: {}, body: {} }));
    const question = `Disconnect the client "${client_name}"?`;
    await person.confirm({ act: "revoke_client", subject: id, name: client_name, question }, confirm);
    return answerOf(await grantHandlers.revokeGrant({ ...asked, query: {}, body: {} }));
  },
});
