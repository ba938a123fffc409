import { describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import type { Caller } from "../../src/vault/tokens/caller.ts";
import { tagOf } from "../../src/vault/calls/leashes.ts";
import { Live, listenRequest } from "../../src/vault/alerts/live.ts";
import { cut, type Parts } from "../../src/vault/parts.ts";
import { held } from "../../src/vault/surface.ts";
import {
  type Vault,
  authorize,
  callAndSettle,
  evict,
  inside,
  mintApp,
  newVault,
  runAlarm,
  signIn,
  sql,
  storeKey,
  travel,
  vaultWithKey,
} from "../support/vault.ts";
import { openLeash, isHeld } from "../support/leash.ts";

type Row = { seq: number; outcome: string; action: string; key?: string };
type Told = { type: string; row?: Row };

/** The feed in a listener's hands. */
async function listen({ stub }: Vault, caller: Caller) {
  const { webSocket, status } = await stub.fetch(listenRequest(caller));
  if (webSocket === null) return { refused: status };
  const told: Told[] = [];
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  webSocket.addEventListener("message", ({ data }) => void told.push(JSON.parse(String(data)) as Told));
  webSocket.addEventListener("close", ({ code, reason }) => closed.resolve({ code, reason }));
  webSocket.accept();
  return { socket: webSocket, told, closed: closed.promise };
}

async function feedOf(vault: Vault, caller = vault.ada) {
  const feed = await listen(vault, caller);
  if ("refused" in feed) throw new Error(`refused with ${feed.refused}`);
  await vi.waitFor(() => expect(feed.told).toHaveLength(1), 20_000);
  return feed;
}

/** What was heard about rows, once the last of it has come: what is told comes in order. */
async function heardUpTo({ told }: { told: Told[] }, last: (row: Row) => boolean): Promise<Row[]> {
  const rows = () => told.flatMap(({ row }) => row ?? []);
  await vi.waitUntil(() => rows().some(last), 20_000);
  return rows();
}

describe("a feed", () => {
  it("goes on after the vault has slept", async () => {
    const { vault, app } = await vaultWithKey();
    const feed = await feedOf(vault);
    await evict(vault);
    const { seq } = await authorize(vault, app, "k");
    await evict(vault);
    await ask(vault.stub.settle([{ seq, outcome: "ok" }]));
    const rows = await heardUpTo(feed, (row) => row.seq === seq && row.outcome === "ok");
    expect(rows.filter((row) => row.seq === seq).map(({ outcome }) => outcome)).toEqual(["pending", "ok"]);
  });

  it("ends at its session's expiry although nothing happens", async () => {
    const vault = await newVault();
    const feed = await feedOf(vault);
    travel(31 * 86_400_000);
    await runAlarm(vault);
    expect(await feed.closed).toEqual({ code: 4001, reason: "expired" });
  });

  it("of a session that was used since then lives on, and is looked at again", async () => {
    const vault = await newVault();
    const feed = await feedOf(vault);
    travel(29 * 86_400_000);
    await ask(vault.stub.me(vault.ada));
    travel(2 * 86_400_000);
    await runAlarm(vault);
    await mintApp(vault);
    await heardUpTo(feed, ({ action }) => action === "token.create");
    expect(feed.socket.readyState).toBe(WebSocket.READY_STATE_OPEN);
    const [job] = await sql<{ due_at: number }>(vault, "SELECT due_at FROM job WHERE name = 'expire_feeds'");
    expect(job?.due_at).toBeGreaterThan(Date.now());
  });

  it("of a session that makes way for a fifty-first ends without another word", async () => {
    const vault = await newVault();
    const feed = await feedOf(vault);
    for (let i = 0; i < 50; i++) await signIn(vault.stub, vault.account_id);
    expect(await feed.closed).toEqual({ code: 4001, reason: "revoked" });
    expect(feed.told.filter(({ row }) => row?.action === "session.revoke")).toEqual([]);
  });

  it("ends by itself after four megabytes, so that a reader that stops costs no more", async () => {
    const { vault } = await vaultWithKey();
    const feed = await feedOf(vault);
    await inside(vault, (object) => {
      for (const connection of object.getConnections("live"))
        (connection as unknown as { setState(state: object): void }).setState({
          ...(connection.state as object),
          sent_bytes: 4 * 1024 * 1024,
        });
    });
    await mintApp(vault);
    expect(await feed.closed).toMatchObject({ code: 1013 });
  });

  it("tells that rows were left out when more come than anybody can read", async () => {
    const { vault, app } = await vaultWithKey();
    const feed = await feedOf(vault);
    // All of it within one second, however long it takes.
    travel(0);
    await callAndSettle(vault, app, 60);
    await vi.waitUntil(() => feed.told.some(({ type }) => type === "skipped"), 20_000);
    expect(feed.told.filter(({ row }) => row !== undefined)).toHaveLength(50);
  });

  it("is cut by a cut of the whole vault, and counts as no stream", async () => {
    const { vault, app } = await vaultWithKey();
    const feed = await feedOf(vault);
    const leash = await openLeash(vault, await authorize(vault, app, "k"));
    expect(await isHeld(vault, leash)).toBe(true);
    const counted = await inside(vault, (object) => cut(object[held] as Parts, [tagOf.all], "frozen"));
    expect(counted).toEqual({ streams_cut: 1, unacknowledged: 0 });
    expect(await feed.closed).toEqual({ code: 4001, reason: "frozen" });
    expect(await leash.closed).toEqual({ code: 4001, reason: "frozen" });
  });
});

describe("a listener with a choice of keys", () => {
  it("hears of those keys and of what it did itself, and of nothing else", async () => {
    const { vault, app } = await vaultWithKey();
    const hidden = await storeKey(vault, "hidden");
    const shown = await storeKey(vault, "shown");
    const [row] = await sql<{ id: string }>(vault, "SELECT id FROM token WHERE hash = ?", vault.ada.hash);
    await sql(vault, "UPDATE token SET policy = ? WHERE id = ?", JSON.stringify({ keys: [shown.id] }), row?.id ?? "");
    await evict(vault);
    const feed = await feedOf(vault);
    const other = await signIn(vault.stub, vault.account_id);
    await authorize(vault, app, "hidden");
    const { seq } = await authorize(vault, app, "shown");
    await ask(vault.stub.pauseKey(other, "hidden"));
    await ask(vault.stub.revokeToken(other, app.id));
    await mintApp(vault);
    const heard = await heardUpTo(feed, ({ action }) => action === "token.create");
    expect(heard.filter(({ key }) => key === hidden.id)).toEqual([]);
    expect(heard.map(({ action }) => action)).toEqual(["proxy.call", "token.create"]);
    expect(heard[0]?.seq).toBe(seq);
  });
});

describe("a vault to which nobody listens", () => {
  it("reads nothing and puts nothing into words", async () => {
    const { vault, app } = await vaultWithKey();
    const said = vi.spyOn(Live.prototype, "say");
    const { seq } = await authorize(vault, app, "k");
    const reads = await inside(vault, (object, { storage }) => {
      const read = vi.spyOn(storage.sql, "exec");
      void object.settle([{ seq, outcome: "ok" }]);
      return read.mock.calls.map(([query]) => query);
    });
    expect(reads.filter((query) => /WHERE seq = \?$/.test(query) && query.startsWith("SELECT seq, decision"))).toEqual(
      [],
    );
    expect(said).not.toHaveBeenCalled();
  });
});

it("the runtime tells a sender nothing of what waits for a WebSocket's reader, and lets it wait for nothing: feeds and relays are bounded by what they were sent", () => {
  const { 1: socket } = new WebSocketPair();
  socket.accept();
  // Should one of these come, what a reader may cost that talks while it does not read can be bounded too (docs/design/revocation.md).
  for (const name of ["bufferedAmount", "writable", "readable", "ready", "ping", "pause", "onpong"])
    expect(name in socket).toBe(false);
  expect((socket.send as (text: string) => unknown)("a word")).toBeUndefined();
});
