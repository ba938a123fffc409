import * as z from "zod";
import { tokenHandlers } from "../../api/tokens.ts";
import { Token } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { idOf } from "../shapes.ts";
import { tool } from "../tool.ts";

export const pause_token = tool({
  name: "pause_token",
  title: "Pause an app token",
  description: "Stops an app token at once, and cuts what it has open, until it is resumed.",
  scope: "vault:write",
  effect: "changes",
  input: z.strictObject({ id: idOf("an app token") }),
  output: Token,
  run: async (asked, { id }) =>
    answerOf(await tokenHandlers.pauseToken({ ...operationOf(asked, "vault:write", { id }), query: {}, body: {} })),
});
