import * as z from "zod";
import { keyHandlers } from "../../api/keys.ts";
import { Key } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { keyRef } from "../shapes.ts";
import { tool } from "../tool.ts";

export const resume_key = tool({
  name: "resume_key",
  title: "Resume a key",
  description: "Lets a paused key be used again.",
  scope: "vault:write",
  effect: "changes",
  input: z.strictObject({ key: keyRef }),
  output: Key,
  keyOf: ({ key }) => key,
  run: async (asked, { key }) =>
    answerOf(await keyHandlers.resumeKey({ ...operationOf(asked, "vault:write", { key }), query: {}, body: {} })),
});
