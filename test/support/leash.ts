/** The router's end of a leash, in a test's hands. */
import { CUT, type Cutting, type Term } from "../../src/vault/calls/telling.ts";
import type { Settlement } from "../../src/vault/calls/dispatch.ts";
import { outbox, type Vault } from "./vault.ts";

export type HeldLeash = {
  socket: WebSocket;
  /** The lease that opens the next leash; never comes where the vault refused this one. */
  next: Promise<string>;
  /** Until when the decision stands, as it was told last; undefined before anything was. */
  term(): Term | undefined;
  closed: Promise<{ code: number; reason: string }>;
  /** The connection's id, and the words about leashes that have ended: those of its router that the vault tells by this one. */
  id: string;
  cuts: Cutting["cut"][];
  say(message: { status: number } | { settle: Settlement }): void;
};

/** With `mute` the router never answers a close: as if it had gone without a word. One with a name is told of several leashes at once. */
export async function openLeash(
  { stub }: Vault,
  { seq, lease }: { seq: number; lease: string },
  { mute = false, router }: { mute?: boolean; router?: string } = {},
): Promise<HeldLeash> {
  const id = crypto.randomUUID();
  const headers = new Headers({ upgrade: "websocket", "x-leash-seq": String(seq), "x-leash-lease": lease });
  if (router !== undefined) headers.set("x-leash-router", router);
  const { webSocket, status } = await stub.fetch(`https://vault/?_pk=${id}`, { headers });
  if (webSocket === null) throw new Error(`the vault answered ${status}`);
  const next = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const cuts: Cutting["cut"][] = [];
  let term: Term | undefined;
  webSocket.addEventListener("message", ({ data }) => {
    const { lease, cut, ...told } = JSON.parse(String(data)) as { lease?: string; cut?: Cutting["cut"] } & Term;
    if (cut !== undefined) return void cuts.push(cut);
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
    id,
    cuts,
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
