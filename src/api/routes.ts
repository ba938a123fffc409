import { Hono, type Context } from "hono";
import * as z from "zod";
import { identify, type Identified } from "../auth/caller.ts";
import { readText } from "../body.ts";
import { configOf } from "../config.ts";
import { JSON_HEADERS } from "../json.ts";
import { Problem } from "../problem.ts";
import { requestDigest } from "../vault/idempotency.ts";
import { accountHandlers } from "./account.ts";
import { activityHandlers } from "./activity.ts";
import { alertHandlers } from "./alerts.ts";
import { BODY_BYTES, readJson } from "./body.ts";
import { grantHandlers } from "./grants.ts";
import { deviceHandlers } from "./devices.ts";
import { keyHandlers } from "./keys.ts";
import { liveHandlers } from "./live.ts";
import { openapi } from "./openapi.ts";
import type { AnyHandler } from "./operation.ts";
import { parse } from "./parse.ts";
import { readQuery } from "./query.ts";
import { reportLeak } from "./report_leak.ts";
import { OPERATIONS, type Operation, type OperationId } from "./schema.ts";
import { explainHandlers } from "./explain.ts";
import { spendHandlers } from "./spend.ts";
import { tokenHandlers } from "./tokens.ts";
import { trustHandlers } from "./trusts.ts";
import { approvalHandlers } from "./approvals.ts";
import { webhookHandlers } from "./webhooks.ts";

type App = { Bindings: Env };

const HANDLERS: Record<OperationId, AnyHandler> = {
  ...keyHandlers,
  ...tokenHandlers,
  ...trustHandlers,
  ...explainHandlers,
  ...spendHandlers,
  ...grantHandlers,
  ...deviceHandlers,
  ...activityHandlers,
  ...accountHandlers,
  ...liveHandlers,
  ...alertHandlers,
  ...webhookHandlers,
  ...approvalHandlers,
};

const NO_QUERY = z.strictObject({});
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** The JSON API, one route per row of the contract. */
export const api = new Hono<App>();

for (const [id, operation] of Object.entries(OPERATIONS) as [OperationId, Operation][]) {
  const path = `/v1${operation.path.replace(/\{(\w+)\}/g, ":$1")}`;
  api.on(operation.method, path, async (context: Context<App>) => {
    const { env, req } = context;
    const identified = identify(req.raw, configOf(env), operation.may);
    const text = operation.method === "get" ? "" : await readText(req.raw, BODY_BYTES);
    const who = repeatable(identified, operation, req.raw, text);
    const query = parse(operation.query ?? NO_QUERY, readQuery(req.raw));
    const body = operation.body === undefined ? {} : parse(operation.body, readJson(req.raw, text));
    const param = (name: string) => req.param(name) ?? "";
    const vault = env.USER_VAULT.getByName(who.vault_id);
    const answer = await HANDLERS[id]({
      env,
      request: req.raw,
      who,
      vault,
      param,
      query: query as never,
      body: body as never,
    });
    if (answer instanceof Response) return answer;
    if (operation.status === 101) throw new TypeError("a WebSocket is no JSON");
    return context.json(answer, operation.status, { ...JSON_HEADERS, date: new Date().toUTCString() });
  });
}

api.route("/", reportLeak);
api.get("/openapi.json", ({ env, json }) => json(openapi(configOf(env)), 200, JSON_HEADERS));

/** A mutation with an Idempotency-Key is done once; the vault compares what it is asked for under the same key. */
function repeatable(who: Identified, { method }: Operation, request: Request, text: string): Identified {
  const key = request.headers.get("idempotency-key");
  if (key === null || method === "get") return who;
  if (!IDEMPOTENCY_KEY.test(key)) {
    const errors = [{ field: "idempotency-key", rule: "must be 1 to 255 visible ASCII characters" }];
    throw new Problem("invalid_request", "The Idempotency-Key is malformed.", { errors });
  }
  const digest = requestDigest(request.method, new URL(request.url).pathname, text);
  return { ...who, caller: { ...who.caller, repeatable: { key, digest } } };
}
