import * as z from "zod";
import { AuditRow } from "./activity.ts";
import { Alert } from "./alerts.ts";
import { Approval } from "./approvals.ts";
import { PEOPLE, time, type Operation } from "./common.ts";

/** One message of the live feed. */
export const LiveEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready"), seq: z.int().meta({ description: "The newest row when the feed began" }) }),
  z.object({ type: z.literal("activity"), row: AuditRow }),
  z.object({ type: z.literal("revocation"), action: z.string(), subject: z.string(), at: time }),
  z.object({ type: z.literal("frozen"), at: time }),
  z.object({ type: z.literal("alert"), alert: Alert }),
  z.object({ type: z.literal("approval"), approval: Approval }),
  z.object({ type: z.literal("skipped") }),
]);

/** What happens, as it happens. */
export const LIVE_OPERATIONS = {
  live: {
    method: "get",
    path: "/live",
    summary: "A WebSocket that tells what happens as it happens",
    may: PEOPLE,
    answer: LiveEvent,
    status: 101,
  },
} as const satisfies Record<string, Operation>;
