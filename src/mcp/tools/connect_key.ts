import * as z from "zod";
import { keyHandlers } from "../../api/keys.ts";
import { answerOf, operationOf } from "../operation.ts";
import { handTo, HandedOver } from "../page.ts";
import { keyRef } from "../shapes.ts";
import { tool } from "../tool.ts";

export const connect_key = tool({
  name: "connect_key",
  title: "Connect a key to its provider",
  description:
    "For a key that renews itself (an OAuth credential): sends the owner to a page of ours from which they sign in at the provider and allow access. Also when its calls are refused with reconnect_required. What is granted there never passes through here.",
  scope: "vault:write",
  effect: "changes",
  input: z.strictObject({ key: keyRef }),
  output: HandedOver,
  keyOf: ({ key }) => key,
  run: async (asked, { key }) => {
    const operation = operationOf(asked, "vault:write", { key });
    const { name } = answerOf(await keyHandlers.getKey({ ...operation, query: {}, body: {} }));
    const next = "Once the owner has come back from the provider, get_key_metadata shows how it stands.";
    const link = async () => answerOf(await keyHandlers.connectKey({ ...operation, query: {}, body: {} }));
    return handTo(asked, `Connect the key "${name}" to its provider.`, link, next);
  },
});
