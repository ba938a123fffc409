import * as z from "zod";
import { keyHandlers } from "../../api/keys.ts";
import { Key } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { keyRef } from "../shapes.ts";
import { tool } from "../tool.ts";

export const pause_key = tool({
  name: "pause_key",
  title: "Pause a key",
  description: "Stops a key at once: calls with it are refused and open streams are cut, until it is resumed.",
  scope: "vault:write",
  effect: "changes",
  input: z.strictObject({ key: keyRef }),
  output: Key,
  keyOf: ({ key }) => key,
  run: async (asked, { key }) =>
    answerOf(await keyHandlers.pauseKey({ ...operationOf(asked, "vault:write", { key }), query: {}, body: {} })),
});
