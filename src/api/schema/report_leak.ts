import * as z from "zod";
import type { Operation } from "./common.ts";

/** The one operation that needs no caller: whoever has found a token says so, and learns nothing by the answer (SECURITY S28). */
export const REPORT_LEAK = {
  method: "post",
  path: "/report-leak",
  summary: "Reports a token that was found in the open: it ends at once, and its owner is told",
  may: [],
  body: z.strictObject({ token: z.string().trim().min(1).max(500) }),
  answer: z.undefined(),
  produces: [],
  status: 202,
} as const satisfies Operation;
