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
import type { Deed } from "../vault/keys/agreement.ts";
import { newState, openState, sealState, type RequestState } from "./request_state.ts";
import { callerFor, vaultOf, type Visit } from "./visit.ts";

/** The human behind a client, as far as it lets them be asked. */
export type Person = {
  /**
   * Returns when they said yes: in a form where the client shows any, else on a page of ours, after which the model comes again.
   * A model may name what it means, which guards against confusion and nothing else (SECURITY S21).
   */
  confirm: (deed: Deed & { question: string }, named: string | undefined) => Promise<void>;
  /** Hands them a page of ours: the client opens it, or the model passes the link on. */
  show: (message: string, make: () => Promise<Page>) => Promise<Handed>;
  /**
   * Makes a call that may need their yes. It is given on a page of ours and nowhere else: what a client brings back says only that
   * the page was opened, since the client is the model's as much as the person's (SECURITY S21).
   */
  approve: <T>(call: (hold: "for the answer" | "not at all") => Promise<T>) => Promise<T>;
};

/** A one-time page of ours. */
export type Page = { url: string; expires_at: string };
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
  const vault = vaultOf(env, visit);
  const caller = callerFor(visit, "vault:write");
  /** An answer counts once: played again, it would carry out a second time what was allowed once. */
  const spend = ({ nonce, expires_at, asked_at }: RequestState) =>
    ask(vault.spend(visit.caller, nonce, expires_at, asked_at));
  /** They agree on a page of ours, since the client shows no form: opened by it where it can, else by a link. */
  const agreed = async (question: string, deed: Deed) => {
    if (await ask(vault.takeAgreement(caller, deed))) return;
    const answer = answered("page");
    if (answer !== undefined) {
      await spend(answer.state);
      if (answer.response.action !== "accept")
        throw new Problem("policy_denied", "The owner did not open the page.", { rule: "confirm" });
      // That it was opened is told at once; what they say there comes later.
      for (const wait_ms of LOOK_AFTER_MS) {
        await scheduler.wait(wait_ms, { signal: context.mcpReq.signal });
        if (await ask(vault.takeAgreement(caller, deed))) return;
      }
      throw new Problem("approval_required", "The owner has not agreed on the page yet.", { rule: "confirm" });
    }
    const { handle } = await ask(vault.createPageLink(caller, { kind: "agree", ...deed }));
    const url = `${config.public_origin}/entry/${handle}`;
    if (modes.url) throw askFor({ page: inputRequired.elicitUrl({ message: question, url }) }, newState(tool, given));
    const approval = { id: deed.subject, url };
    throw new Problem("approval_required", `${question} The owner must agree first, at ${url}`, {
      rule: "confirm",
      approval,
    });
  };
  return {
    confirm: async ({ question, ...deed }, named) => {
      assertNamed(deed.name, named);
      if (!modes.form) return agreed(question, deed);
      const answer = answered("confirm");
      if (answer === undefined) throw askFor({ confirm: confirmation(question) }, newState(tool, given));
      await spend(answer.state);
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
      const { url } = await make();
      throw askFor({ page: inputRequired.elicitUrl({ message, url }) }, newState(tool, given));
    },
    approve: async (call) => {
      if (!modes.url && !modes.form) return call("for the answer");
      const answer = answered("approval");
      if (answer !== undefined) {
        await spend(answer.state);
        if (answer.response.action === "accept") return call("for the answer");
        throw new Problem("policy_denied", "The owner did not look at what this call asks of them.", { rule: "ask" });
      }
      try {
        return await call("not at all");
      } catch (thrown) {
        if (!(thrown instanceof Problem) || thrown.extras.approval === undefined) throw thrown;
        const { url } = thrown.extras.approval;
        const approval = modes.url ? inputRequired.elicitUrl({ message: ASKED, url }) : lookThere(config);
        throw askFor({ approval }, newState(tool, given, QUESTION_MS));
      }
    },
  };
}

/** When to look whether somebody has agreed on a page that they have open. */
const LOOK_AFTER_MS = [500, 1_500, 3_000, 5_000, 8_000, 12_000];
/** As long as a question stands: whoever comes back with it late finds the answer. */
const QUESTION_MS = 10 * 60_000;
const ASKED = "A call with one of your keys waits for your yes. Open the page to see what it is, and answer there.";

/** For a client that can show a form but open no page: nothing that is typed into it is an answer. */
function lookThere({ public_origin }: Config) {
  const { host } = new URL(public_origin);
  const message = `A call with one of your keys waits for your yes. Answer it in API Locker (${host}, Approvals), then go on here.`;
  const answered = { type: "boolean", title: "I have answered it there" } as const;
  return inputRequired.elicit({ message, requestedSchema: { type: "object", properties: { answered } } });
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

function assertNamed(name: string, named: string | undefined): void {
  if (named === undefined || named === name) return;
  const errors = [{ field: "confirm", rule: `must be "${name}"` }];
  throw new Problem("invalid_request", `This is "${name}". Is it the one that is meant?`, { rule: "confirm", errors });
}
