import * as z from "zod";
import { accountHandlers } from "../../api/account.ts";
import { Finding } from "../../api/schema.ts";
import { PageOfWhole } from "../../api/schema/common.ts";
import { answerOf, operationOf } from "../operation.ts";
import { asQuery, listOf, numberedPages } from "../shapes.ts";
import { tool } from "../tool.ts";

export const run_doctor = tool({
  name: "run_doctor",
  title: "Run the doctor",
  description:
    "Looks for what the owner should attend to: stale, unused or expiring keys and tokens, too wide policies. Changes nothing.",
  scope: "vault:read",
  effect: "reads",
  reading: "doctor",
  input: z.strictObject(numberedPages),
  output: listOf(Finding),
  run: async (by, input) => {
    const query = asQuery(PageOfWhole, input);
    return answerOf(await accountHandlers.doctor({ ...operationOf(by, "vault:read"), query, body: {} }));
  },
});
