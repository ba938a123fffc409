import { policyInput } from "../../api/policy.ts";
import { NewToken } from "../../api/schema.ts";
import { handOver, HandedOver } from "../page.ts";
import { tool } from "../tool.ts";

export const create_token = tool({
  name: "create_token",
  title: "Create an app token",
  description:
    "Prepares an app token and sends the owner to a page of ours that shows what it may do and, if they agree, the token, once. It reaches no more than this client does and ends with it.",
  scope: "vault:write",
  effect: "adds",
  input: NewToken,
  output: HandedOver,
  run: async (asked, { name, rotation, policy = {} }) => {
    const wish = { kind: "mint" as const, name, rotation, policy: policyInput(policy) };
    const next =
      "Once the owner has agreed, list_tokens shows the token's policy. The token itself is for the app, not for you.";
    return handOver(asked, `Make the app token "${name}".`, wish, next);
  },
});
