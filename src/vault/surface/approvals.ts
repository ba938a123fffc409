import type { Connection, ConnectionContext } from "partyserver";
import type { Answer } from "../answer.ts";
import type { ApprovalDecision } from "../calls/approvals.ts";
import type { Caller } from "../tokens/caller.ts";
import type { LeashState } from "../calls/telling.ts";
import { tagOf } from "../calls/leashes.ts";
import {
  ANSWERED,
  answerQuestion,
  listQuestions,
  NO_ROOM,
  readQuestion,
  WAITING_AT_ONCE,
  type ToldQuestion,
} from "../calls/manage_approvals.ts";
import { change, held, live, read } from "../surface.ts";
import { SignalSurface } from "./signals.ts";

const QUESTION = "x-question";

/** Calls that wait for a person: the questions, their answers, and the connections of routers that hold a call meanwhile (DESIGN D14). */
export abstract class ApprovalSurface extends SignalSurface {
  listQuestions(caller: Caller): Promise<Answer<ToldQuestion[]>> {
    return this[read](caller, listQuestions);
  }

  readQuestion(caller: Caller, id: string): Promise<Answer<ToldQuestion>> {
    return this[read](caller, (parts) => readQuestion(parts, id));
  }

  answerQuestion(caller: Caller, id: string, decision: ApprovalDecision): Promise<Answer<ToldQuestion>> {
    return this[change](caller, (parts) => answerQuestion(parts, caller, id, decision));
  }

  override async fetch(request: Request): Promise<Response> {
    const id = request.headers.get(QUESTION);
    if (id !== null && this[held]?.approvals.find(id) === undefined) return new Response(null, { status: 404 });
    if (id !== null && [...this.getConnections(tagOf.question(id))].length >= WAITING_AT_ONCE)
      return new Response(null, { status: NO_ROOM });
    return super.fetch(request);
  }

  override getConnectionTags(connection: Connection<LeashState>, context: ConnectionContext): string[] {
    const question = this[held]?.approvals.find(context.request.headers.get(QUESTION) ?? "");
    if (question === undefined) return super.getConnectionTags(connection, context);
    return [
      ...new Set([tagOf.all, tagOf.question(question.id), tagOf.token(question.actor), tagOf.token(question.token_id)]),
    ];
  }

  /** One that comes after the answer is told at once: asking whether it is open and waiting for it is one step. */
  override onConnect(connection: Connection<LeashState>, context: ConnectionContext): void {
    const id = context.request.headers.get(QUESTION);
    if (id === null) return super.onConnect(connection, context);
    (connection as Connection).setState({ question: id });
    if (this[live]().approvals.isOpen(id, Date.now())) return;
    connection.send(ANSWERED);
    connection.close(1000, ANSWERED);
  }

  /** Whoever waits has nothing to say. */
  override onMessage(connection: Connection<LeashState>, message: string | ArrayBuffer | ArrayBufferView): void {
    if (!isWaiting(connection)) super.onMessage(connection, message);
  }

  override onClose(connection: Connection<LeashState>): void {
    if (!isWaiting(connection)) super.onClose(connection);
  }
}

function isWaiting(connection: Connection): boolean {
  return (connection.state as { question?: string } | null)?.question !== undefined;
}
