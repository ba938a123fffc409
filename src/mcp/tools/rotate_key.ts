import * as z from "zod";
import { keyHandlers } from "../../api/keys.ts";
import { answerOf, operationOf } from "../operation.ts";
import { handOver, HandedOver } from "../page.ts";
import { keyRef } from "../shapes.ts";
import { tool } from "../tool.ts";

export const rotate_key = tool({
  name: "rotate_key",
  title: "Rotate a key",
  description:
    "Sends the owner to a page of ours to type a key's next secret. The one before is kept, so that the owner can roll back. Never ask for the secret in a chat.",
  scope: "vault:write",
  effect: "changes",
  input: z.strictObject({ key: keyRef }),
  output: HandedOver,
  keyOf: ({ key }) => key,
  run: async (asked, { key }) => {
    const operation = operationOf(asked, "vault:write", { key });
    const { name, base_url } = answerOf(await keyHandlers.getKey({ ...operation, query: {}, body: {} }));
    const message = `Type the next secret for the key "${name}" (${new URL(base_url).host}).`;
    const next = "Once the owner has typed it, get_key_metadata shows the new version.";
    return handOver(asked, message, { kind: "rotate", key }, next);
  },
});
