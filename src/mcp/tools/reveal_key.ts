import * as z from "zod";
import { keyHandlers } from "../../api/keys.ts";
import { answerOf, operationOf } from "../operation.ts";
import { handOver, HandedOver } from "../page.ts";
import { keyRef } from "../shapes.ts";
import { tool } from "../tool.ts";

export const reveal_key = tool({
  name: "reveal_key",
  title: "Reveal a key to its owner",
  description: "Sends the owner to a page of ours that shows them a key's secret once. It is never shown here.",
  scope: "vault:reveal",
  effect: "adds",
  input: z.strictObject({ key: keyRef }),
  output: HandedOver,
  keyOf: ({ key }) => key,
  run: async (asked, { key }) => {
    const operation = operationOf(asked, "vault:reveal", { key });
    const { name } = answerOf(await keyHandlers.getKey({ ...operation, query: {}, body: {} }));
    const next = "The owner sees the secret on the page; you do not need it: use proxy_request.";
    return handOver(asked, `See the secret of the key "${name}".`, { kind: "reveal", key }, next);
  },
});
