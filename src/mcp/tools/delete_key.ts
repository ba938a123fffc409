import * as z from "zod";
import { keyHandlers } from "../../api/keys.ts";
import { Receipt } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { confirmedName, keyRef } from "../shapes.ts";
import { tool } from "../tool.ts";

export const delete_key = tool({
  name: "delete_key",
  title: "Delete a key",
  description:
    "Deletes a key and cuts every stream that uses it. The owner is asked first, and can bring it back for seven days.",
  scope: "vault:write",
  effect: "destroys",
  input: z.strictObject({ key: keyRef, confirm: confirmedName("the key's name") }),
  output: Receipt,
  keyOf: ({ key }) => key,
  run: async ({ person, ...by }, { key, confirm }) => {
    const asked = operationOf(by, "vault:write", { key });
    const { id, name } = answerOf(await keyHandlers.getKey({ ...asked, query: {}, body: {} }));
    const question = `Delete the key "${name}"? Everything that uses it stops at once.`;
    await person.confirm({ act: "delete_key", subject: id, name, question }, confirm);
    return answerOf(await keyHandlers.deleteKey({ ...asked, query: {}, body: {} }));
  },
});
