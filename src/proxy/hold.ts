import { createHash, randomUUID } from "node:crypto";
import { logFault, Problem } from "../problem.ts";
import { NO_ROOM } from "../vault/calls/manage_approvals.ts";
import type { Dispatch } from "../vault/calls/dispatch.ts";
import { operationIn, type HeaderLines } from "./headers.ts";

/** A question that a person must answer first, and where. */
type Approval = { id: string; url: string };

/** How long a client is kept waiting for a person before it gets the link, and who hears what is waited for. */
export type Patience = { hold_ms: number; waiting?: ((approval: Approval) => void) | undefined };

/** A program's own call: whoever wrote it expects an answer, and may come again. */
export const PATIENCE: Patience = { hold_ms: 120_000 };
const PING_MS = 20_000;
const AGAIN_MS = 2_000;

/**
 * Holds a call until its owner has answered. The vault is asked, and says which question must be answered first; then a
 * connection that sleeps with the vault waits for the answer, and the vault is asked again, which alone knows what the answer
 * means. A client that has gone is never asked for again, so it is charged nothing.
 */
export async function askFirst(
  authorize: () => Promise<Dispatch>,
  vault: () => DurableObjectStub,
  gone: AbortSignal,
  { hold_ms, waiting }: Patience = PATIENCE,
): Promise<Dispatch> {
  const deadline = Date.now() + hold_ms;
  for (;;) {
    try {
      return await authorize();
    } catch (thrown) {
      if (!(thrown instanceof Problem) || thrown.extras.approval === undefined) throw thrown;
      const left_ms = deadline - Date.now();
      if (left_ms > 0 && !gone.aborted) {
        waiting?.(thrown.extras.approval);
        if ((await answered(vault(), thrown.extras.approval.id, left_ms, gone)) === "no room") throw thrown;
      }
      if (Date.now() >= deadline || gone.aborted) throw thrown;
    }
  }
}

/**
 * Resolves when the question was answered, when the time is up or the client has gone; or a little after the connection was lost. No
 * room: as many as may wait for its answer already.
 */
async function answered(
  vault: DurableObjectStub,
  id: string,
  left_ms: number,
  gone: AbortSignal,
): Promise<"no room" | undefined> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, left_ms);
  gone.addEventListener("abort", () => over.resolve());
  const lost = () => void scheduler.wait(Math.random() * AGAIN_MS).then(over.resolve);
  let socket: WebSocket | undefined;
  let ping: ReturnType<typeof setInterval> | undefined;
  let status: number | undefined;
  try {
    const headers = { upgrade: "websocket", "x-question": id };
    const answer = await vault.fetch(`https://vault/question?_pk=${randomUUID()}`, { headers });
    socket = answer.webSocket ?? undefined;
    status = answer.status;
    socket?.addEventListener("message", ({ data }) => {
      if (data !== "pong") over.resolve();
    });
    socket?.addEventListener("close", lost);
    socket?.accept();
    ping = setInterval(() => socket?.send("ping"), PING_MS);
    // The question is gone, with a freeze for one: the vault says what that means.
    if (socket === undefined) over.resolve();
  } catch (fault) {
    logFault("question_not_held", fault);
    lost();
  }
  await over.promise;
  clearTimeout(timer);
  clearInterval(ping);
  if (socket?.readyState === WebSocket.READY_STATE_OPEN) socket.close(1000);
  return status === NO_ROOM ? "no room" : undefined;
}

/**
 * What a question is bound to beside method and path: query, body, and what its headers may say of the operation. Where the body is too large to
 * be kept, or nobody can tell how long it is, the question is this very call's and no other's.
 */
export function contentDigest(query: string, headers: HeaderLines, body: ArrayBuffer | null | "unknown"): string {
  if (body === "unknown") return randomUUID();
  return createHash("sha256")
    .update(`${JSON.stringify([query, operationIn(headers)])}\n`)
    .update(new Uint8Array(body ?? new ArrayBuffer(0)))
    .digest("base64url");
}
