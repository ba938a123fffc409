import {
  ProtocolError,
  ProtocolErrorCode,
  type CallToolResult,
  type InputRequiredResult,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { complaint, ruleOf } from "../api/parse.ts";
import type { Config } from "../config.ts";
import { asProblem, Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { ToolCall } from "../vault/calls/visit.ts";
import { personBehind, Unanswered } from "./person.ts";
import type { Asked, Shown, Tool } from "./tool.ts";
import { recording } from "./reading.ts";
import { toolNamed } from "./tools.ts";
import { callerFor, holds, vaultOf, type Visit } from "./visit.ts";

/** A call as it reached the server. */
export type Calling = {
  env: Env;
  ctx: Pick<ExecutionContext, "waitUntil">;
  config: Config;
  server: Server;
  visit: Visit;
  context: ServerContext;
};

/** Runs a tool and records that it was called: the name, the key, how it went and how long it took, and nothing that was said. */
export async function callTool(
  calling: Calling,
  name: string,
  given: Record<string, unknown> = {},
): Promise<CallToolResult | InputRequiredResult> {
  const tool = toolNamed(name);
  if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "There is no such tool.");
  const started_at = Date.now();
  const input = tool.input.safeParse(given, { error: ruleOf });
  const key = input.success ? tool.keyOf?.(input.data) : undefined;
  const vault = vaultOf(calling.env, calling.visit);
  const reading =
    tool.reading && recording(vault, tool.reading, { tool: name, key, scope: tool.scope, session_id: null });
  const record = async (outcome: ToolCall["outcome"], more: Pick<ToolCall, "rule" | "status">) => {
    if (reading?.recorded === true) return;
    const latency_ms = Date.now() - started_at;
    await ask(vault.recordTool(calling.visit.caller, { tool: name, key, outcome, ...more, latency_ms }));
  };
  try {
    if (!holds(calling.visit, tool.scope)) throw missingScope(calling, tool);
    if (!input.success) throw complaint(input.error);
    const done = shown(await tool.run(askedBy(calling, tool, given, reading?.vault ?? vault), input.data));
    await record("ok", { status: done.status });
    return resultOf(done);
  } catch (thrown) {
    if (thrown instanceof Unanswered) {
      // On record before anybody is asked: the client may never come back with an answer.
      await record("asked", {});
      return thrown.question;
    }
    const problem = asProblem(thrown);
    // Whoever leaves is refused nothing by that: what was refused stays so, however soon they go.
    const given_up = problem.status >= 500 && calling.context.mcpReq.signal.aborted;
    if (given_up) await record("canceled", {});
    else await record(problem.status < 500 ? "refused" : "failed", { rule: problem.extras.rule ?? problem.code });
    return refused(problem);
  }
}

function askedBy(
  { env, ctx, config, server, visit, context }: Calling,
  tool: Tool,
  given: Record<string, unknown>,
  vault: Asked["vault"],
): Asked {
  const { mcpReq } = context;
  const token = mcpReq._meta?.progressToken;
  return {
    env,
    ctx,
    config,
    visit,
    vault,
    caller: callerFor(visit, tool.scope),
    signal: mcpReq.signal,
    progress: async (progress: number, total: number | undefined, message: string) => {
      if (token === undefined) return;
      const params = { progressToken: token, progress, message, ...(total === undefined ? {} : { total }) };
      await mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
    },
    person: personBehind({ env, config, server, visit, context }, tool.name, given),
  };
}

/**
 * The answer twice over: structured, and the same as text for clients that read only that. It is our own, typed by the tool's output
 * schema, and not judged by it once more (docs/decisions/0014).
 */
function resultOf({ structured, content }: Shown<object>): CallToolResult {
  return { structuredContent: structured, content: [{ type: "text", text: JSON.stringify(structured) }, ...content] };
}

function shown(done: object): Shown<object> {
  return "structured" in done ? (done as Shown<object>) : { structured: done, content: [] };
}

/** A refusal is told to the model as the outcome of its call, in our words, with what would help. */
export function refused(problem: Problem): CallToolResult {
  const { code, message, extras } = problem;
  const { rule, errors, retry_after_s, request_id, approval } = extras;
  const hint = HINTS[code];
  const told = { code, detail: message, rule, errors, hint, retry_after_s, request_id, approval_url: approval?.url };
  return { isError: true, content: [{ type: "text", text: JSON.stringify({ error: told }) }] };
}

const HINTS: Partial<Record<string, string>> = {
  not_found: "list_keys, list_tokens, list_devices and list_clients tell what there is for you.",
  approval_required:
    "Give the owner the link in approval_url, if there is one. Once they have answered, call again with the same arguments.",
  paused: "Its owner can resume it.",
  frozen: "The owner has frozen the vault; only they can unfreeze it.",
  rate_limited: "Wait before trying again.",
  unavailable: "Nothing was changed; try again shortly.",
};

function missingScope({ visit, config }: Calling, { scope }: Tool): Problem {
  return new Problem(
    "insufficient_scope",
    `This needs ${scope}, which ${visit.guest.name} was not granted. Ask the owner to disconnect and connect again with it ticked (${config.public_origin}/clients).`,
    { rule: "scopes" },
  );
}
