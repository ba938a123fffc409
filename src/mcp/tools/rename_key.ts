import * as z from "zod";
import { keyHandlers } from "../../api/keys.ts";
import { Key, KeyName } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { keyRef } from "../shapes.ts";
import { tool } from "../tool.ts";

export const rename_key = tool({
  name: "rename_key",
  title: "Rename a key",
  description: "Gives a key another name. The old name goes on working.",
  scope: "vault:write",
  effect: "changes",
  input: z.strictObject({ key: keyRef, name: KeyName.describe("The new name") }),
  output: Key,
  keyOf: ({ key }) => key,
  run: async (asked, { key, name }) =>
    answerOf(await keyHandlers.changeKey({ ...operationOf(asked, "vault:write", { key }), query: {}, body: { name } })),
});
