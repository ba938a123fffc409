import {
  inputRequired,
  type ClientCapabilities,
  type InputRequests,
  type InputRequiredResult,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { newState, openState, sealState, type RequestState } from "./request_state.ts";
import type { Visit } from "./visit.ts";

/** The human behind a client, as far as it lets them be asked. */
export type Person = {
  /**
   * Returns when they said yes. A client that can ask them does; to one that cannot, the model must name what it means, which
   * guards against confusion and nothing else (SECURITY S21).
   */
  confirm: (question: string, name: string, named: string | undefined) => Promise<void>;
  /** Hands them a page of ours: the client opens it, or the model passes the link on. */
  show: (message: string, make: () => Promise<Page>) => Promise<Handed>;
};

/** A one-time page of ours. */
type Page = { url: string; handle: string; expires_at: string };
/** How a page was handed over; `url` only where the model has to pass it on. */
type Handed = {
  status: "opened" | "declined" | "link";
  url?: string | undefined;
  expires_at?: string | undefined;
};

/** Somebody has to be asked before the call can go on: the client comes back with the answer. */
export class Unanswered extends Error {
  readonly question: InputRequiredResult;

  constructor(question: InputRequiredResult) {
    super("unanswered");
    this.question = question;
  }
}

type Behind = { env: Env; config: Config; server: Server; visit: Visit; context: ServerContext };
type Response = { action?: string; content?: Record<string, unknown> };

/** Who is behind this call of a tool, with these arguments. */
export function personBehind({ env, config, server, visit, context }: Behind, tool: string, given: unknown): Person {
  const modes = elicitationOf(server.getClientCapabilities());
  const askFor = (inputRequests: InputRequests, state: RequestState) =>
    new Unanswered(inputRequired({ inputRequests, requestState: sealState(config, visit, state) }));
  const answered = (key: string): { response: Response; state: RequestState } | undefined => {
    const response = context.mcpReq.inputResponses?.[key] as Response | undefined;
    const sealed = context.mcpReq.requestState();
    if (response === undefined || typeof sealed !== "string") return undefined;
    return { response, state: openState(config, visit, sealed, tool, given) };
  };
  return {
    confirm: async (question, name, named) => {
      if (!modes.form) return assertNamed(question, name, named);
      const answer = answered("confirm");
      if (answer === undefined) throw askFor({ confirm: confirmation(question) }, newState(tool, given));
      const { nonce, expires_at } = answer.state;
      // An answer counts once: played again, it would carry out a second time what was allowed once.
      await ask(env.USER_VAULT.getByName(visit.vault_id).spend(visit.caller, nonce, expires_at));
      if (answer.response.action === "accept" && answer.response.content?.confirm === true) return;
      throw new Problem("policy_denied", "The owner did not confirm this.", { rule: "confirm" });
    },
    show: async (message, make) => {
      if (!modes.url) {
        const { url, expires_at } = await make();
        return { status: "link", url, expires_at };
      }
      const answer = answered("page");
      if (answer !== undefined) return { status: answer.response.action === "accept" ? "opened" : "declined" };
      const { url, handle } = await make();
      throw askFor({ page: inputRequired.elicitUrl({ message, url }) }, newState(tool, given, handle));
    },
  };
}

/** A client that says nothing of modes can show forms: there was nothing else when it was written. */
function elicitationOf(capabilities: ClientCapabilities | undefined): { form: boolean; url: boolean } {
  const elicitation = capabilities?.elicitation;
  if (elicitation === undefined) return { form: false, url: false };
  const bare = elicitation.form === undefined && elicitation.url === undefined;
  return { form: bare || elicitation.form !== undefined, url: elicitation.url !== undefined };
}

function confirmation(message: string) {
  const confirm = { type: "boolean", title: "Yes, do it", description: message } as const;
  return inputRequired.elicit({
    message,
    requestedSchema: { type: "object", properties: { confirm }, required: ["confirm"] },
  });
}

function assertNamed(question: string, name: string, named: string | undefined): void {
  if (named === name) return;
  const rule = `must be "${name}"`;
  throw new Problem(
    "invalid_request",
    `${question} Ask the owner first; if they agree, call again with confirm: "${name}".`,
    {
      rule: "confirm",
      errors: [{ field: "confirm", rule }],
    },
  );
}
