import * as z from "zod";
import { listOf, PageOfWhole, PEOPLE, time, type Operation } from "./common.ts";

const ApprovalDecision = z.enum(["once", "10m", "1h", "always", "no"]);

export const Approval = z.object({
  id: z.string(),
  url: z.url().meta({ description: "The page on which a person answers, without script" }),
  actor: z.object({ id: z.string(), name: z.string() }),
  key: z.object({ id: z.string(), name: z.string() }),
  method: z.string(),
  host: z.string(),
  path: z.string(),
  ip: z.string(),
  country: z.string(),
  asked_at: time,
  expires_at: time,
  waiting: z.boolean().meta({ description: "The client is still there" }),
  decision: ApprovalDecision.optional(),
});

const ApprovalAnswer = z.strictObject({ decision: ApprovalDecision });

/** Calls that wait for a person's yes. */
export const APPROVAL_OPERATIONS = {
  listApprovals: {
    method: "get",
    path: "/approvals",
    summary: "Calls that wait for an answer, newest first",
    may: PEOPLE,
    query: PageOfWhole,
    answer: listOf(Approval),
    status: 200,
  },
  getApproval: {
    method: "get",
    path: "/approvals/{id}",
    summary: "A call that waits for an answer, or did lately",
    may: PEOPLE,
    answer: Approval,
    status: 200,
  },
  answerApproval: {
    method: "post",
    path: "/approvals/{id}",
    summary: "Answer: exactly one answer counts; always, and what a device has minted itself, only in the browser",
    may: PEOPLE,
    body: ApprovalAnswer,
    answer: Approval,
    status: 200,
  },
} as const satisfies Record<string, Operation>;
