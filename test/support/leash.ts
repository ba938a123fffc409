/** The router's end of a leash, in a test's hands. */
import { CUT, type Term } from "../../src/vault/calls/leashes.ts";
import type { Settlement } from "../../src/vault/calls/dispatch.ts";
import { outbox, type Vault } from "./vault.ts";

export type HeldLeash = {
  socket: WebSocket;
  /** The lease that opens the next leash; never comes where the vault refused this one. */
  next: Promise<string>;
  /** Until when the decision stands, as it was told last; undefined before anything was. */
  term(): Term | undefined;
  closed: Promise<{ code: number; reason: string }>;
  say(message: { status: number } | { settle: Settlement }): void;
};

/** With `mute` the router never answers a close: as if it had gone without a word. */
export async function openLeash(
  { stub }: Vault,
  { seq, lease }: { seq: number; lease: string },
  { mute = false } = {},
): Promise<HeldLeash> {
  const headers = { upgrade: "websocket", "x-leash-seq": String(seq), "x-leash-lease": lease };
  const { webSocket, status } = await stub.fetch(`https://vault/?_pk=${crypto.randomUUID()}`, { headers });
  if (webSocket === null) throw new Error(`the vault answered ${status}`);
  const next = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  let term: Term | undefined;
  webSocket.addEventListener("message", ({ data }) => {
    const { lease, ...told } = JSON.parse(String(data)) as { lease?: string } & Term;
    term = told;
    if (lease !== undefined) next.resolve(lease);
  });
  webSocket.addEventListener("close", ({ code, reason }) => closed.resolve({ code, reason }));
  webSocket.accept({ allowHalfOpen: mute });
  return {
    socket: webSocket,
    next: next.promise,
    term: () => term,
    closed: closed.promise,
    say: (message) => webSocket.send(JSON.stringify(message)),
  };
}

/** What a leash that was refused or cut is told. */
export function cutFor(reason: string): { code: number; reason: string } {
  return { code: CUT, reason };
}

/** Has the vault said nothing against it? Asked after the vault has answered something else. */
export async function isHeld({ stub }: Vault, leash: HeldLeash): Promise<boolean> {
  await stub.settle([]);
  return Promise.race([leash.closed.then(() => false), scheduler.wait(20).then(() => true)]);
}

/** How the call's row stands: pending, or how it ended. */
export async function outcomeOf(vault: Vault, seq: number) {
  const row = (await outbox(vault)).find((one) => one.seq === seq);
  const { outcome, rule, status } = row?.outcome ?? {};
  return row?.pending === true ? "pending" : { outcome, rule, status };
}
