import type { Connection } from "partyserver";

/** The close code that means: the decision no longer stands. Any other end of a leash is asked again (SECURITY S6). */
export const CUT = 4001;

/** What a leash's connection remembers through hibernation. `router` is the isolate that holds it, where that can tell its other calls. */
export type LeashState = { seq: number; token_id: string; router?: string | undefined; status?: number | undefined };

/** Until when a decision stands (epoch ms, null for ever), and what expires then: the token, or only the key. */
export type Term = { not_after: number | null; expiry_rule: "expired" | "key_expired" };

/** A word to a router about any number of its leashes, by their connections' ids: all of them end, by this rule. */
export type Cutting = { cut: { rule: string; leashes: readonly string[] } };

/** What a leash's router is told. One that ends may have been told by somebody else already. */
export type Word = { ends: string } | { says: Term };

/** A leash and what its router is told of it, if anything. */
export type Told = { connection: Connection<LeashState>; word: Word | undefined };

/** Tells the routers of these leashes, in one word each: what a router hears over one it can tell its other calls for much less. */
export function tell(words: readonly Told[]): void {
  const open = words.filter(({ connection }) => connection.readyState === WebSocket.READY_STATE_OPEN);
  const by_router = new Map<string, { through: Connection; cut: { rule: string; leashes: string[] } }>();
  for (const { connection, word } of open) {
    const router = connection.state?.router;
    if (word === undefined) continue;
    if ("says" in word) connection.send(JSON.stringify(word.says));
    else if (router === undefined) close(connection, word.ends);
    else {
      const said = by_router.get(router + word.ends);
      if (said !== undefined) said.cut.leashes.push(connection.id);
      else
        by_router.set(router + word.ends, { through: connection, cut: { rule: word.ends, leashes: [connection.id] } });
    }
  }
  for (const { through, cut } of by_router.values()) through.send(JSON.stringify({ cut } satisfies Cutting));
}

export function close(connection: Connection, rule: string): void {
  if (connection.readyState === WebSocket.READY_STATE_OPEN) connection.close(CUT, rule);
}
