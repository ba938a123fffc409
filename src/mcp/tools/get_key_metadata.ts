import * as z from "zod";
import { keyHandlers } from "../../api/keys.ts";
import { KeyDetails } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { keyRef } from "../shapes.ts";
import { tool } from "../tool.ts";

export const get_key_metadata = tool({
  name: "get_key_metadata",
  title: "Get a key's metadata",
  description:
    "Tells everything about one key but its secret: provider, address, placement, versions, former names, use.",
  scope: "vault:read",
  effect: "reads",
  reading: "getKey",
  input: z.strictObject({ key: keyRef }),
  output: KeyDetails,
  keyOf: ({ key }) => key,
  run: async (by, { key }) =>
    answerOf(await keyHandlers.getKey({ ...operationOf(by, "vault:read", { key }), query: {}, body: {} })),
});
