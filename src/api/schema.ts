/**
 * The whole contract of `/v1` in zod: what each operation takes, answers, and who may call it (SECURITY S3). `/openapi.json`,
 * the routes and the tests that walk the authority table all come from here. Dashboard and CLI import nothing else of ours.
 */
import { ACCOUNT_OPERATIONS } from "./schema/account.ts";
import { ACTIVITY_OPERATIONS } from "./schema/activity.ts";
import { GRANT_OPERATIONS } from "./schema/grants.ts";
import { DEVICE_OPERATIONS } from "./schema/devices.ts";
import { ALERT_OPERATIONS } from "./schema/alerts.ts";
import { EXPLAIN_OPERATIONS } from "./schema/explain.ts";
import { APPROVAL_OPERATIONS } from "./schema/approvals.ts";
import { KEY_OPERATIONS } from "./schema/keys.ts";
import { LIVE_OPERATIONS } from "./schema/live.ts";
import { SPEND_OPERATIONS } from "./schema/spend.ts";
import { TOKEN_OPERATIONS } from "./schema/tokens.ts";
import { TRUST_OPERATIONS } from "./schema/trusts.ts";
import { WEBHOOK_OPERATIONS } from "./schema/webhooks.ts";

export type { Authority, Operation } from "./schema/common.ts";
export * from "./schema/account.ts";
export * from "./schema/activity.ts";
export { ProblemDetails, Receipt } from "./schema/common.ts";
export * from "./schema/explain.ts";
export * from "./schema/grants.ts";
export * from "./schema/devices.ts";
export * from "./schema/key.ts";
export * from "./schema/keys.ts";
export * from "./schema/alerts.ts";
export * from "./schema/approvals.ts";
export * from "./schema/live.ts";
export * from "./schema/policy.ts";
export * from "./schema/report_leak.ts";
export * from "./schema/webhooks.ts";
export * from "./schema/spend.ts";
export * from "./schema/tokens.ts";
export * from "./schema/trusts.ts";

/** Every operation of `/v1`, with its authority. */
export const OPERATIONS = {
  ...KEY_OPERATIONS,
  ...TOKEN_OPERATIONS,
  ...TRUST_OPERATIONS,
  ...SPEND_OPERATIONS,
  ...GRANT_OPERATIONS,
  ...DEVICE_OPERATIONS,
  ...ACTIVITY_OPERATIONS,
  ...ACCOUNT_OPERATIONS,
  ...LIVE_OPERATIONS,
  ...ALERT_OPERATIONS,
  ...WEBHOOK_OPERATIONS,
  ...EXPLAIN_OPERATIONS,
  ...APPROVAL_OPERATIONS,
};

export type OperationId = keyof typeof OPERATIONS;
