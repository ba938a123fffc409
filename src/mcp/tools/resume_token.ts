import * as z from "zod";
import { tokenHandlers } from "../../api/tokens.ts";
import { Token } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { idOf } from "../shapes.ts";
import { tool } from "../tool.ts";

export const resume_token = tool({
  name: "resume_token",
  title: "Resume an app token",
  description: "Lets a paused app token be used again.",
  scope: "vault:write",
  effect: "changes",
  input: z.strictObject({ id: idOf("an app token") }),
  output: Token,
  run: async (asked, { id }) =>
    answerOf(await tokenHandlers.resumeToken({ ...operationOf(asked, "vault:write", { id }), query: {}, body: {} })),
});
