import { explainHandlers } from "../../api/explain.ts";
import { Explanation, Question } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { tool } from "../tool.ts";

export const explain_access = tool({
  name: "explain_access",
  title: "Explain a decision",
  description:
    "Says what the locker would decide about a call with an app token, and by which rule. Makes no call and records no use.",
  scope: "vault:read",
  effect: "reads",
  reading: "explain",
  input: Question,
  output: Explanation,
  keyOf: ({ key }) => key,
  run: async (by, body) =>
    answerOf(await explainHandlers.explain({ ...operationOf(by, "vault:read"), query: {}, body })),
});
