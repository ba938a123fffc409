import type { Connection } from "partyserver";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { isolateName } from "../../src/isolate.ts";
import { Leashes } from "../../src/vault/calls/leashes.ts";
import type { Cutting, LeashState } from "../../src/vault/calls/telling.ts";
import { tellInTurns } from "../../src/vault/calls/turns.ts";

/** Leashes of routers in somebody's hands: who was told to end, in which words, and how one does. */
function openLeashes(...routers: (string | undefined)[]) {
  const words: string[][] = [];
  const ends = new Map<string, () => void>();
  const open = routers.map((router, seq) => {
    const close = (_code: number, rule: string) => words.push([`${seq}: ${rule}`]);
    const send = (text: string) => words.push([...(JSON.parse(text) as Cutting).cut.leashes]);
    const state: LeashState = { seq, token_id: "tok", router };
    return { id: String(seq), state, readyState: WebSocket.READY_STATE_OPEN, send, close } as never;
  }) as Connection<LeashState>[];
  const decide = vi.fn(() => ({ ends: "revoked" }));
  const end = ({ id }: Connection) => new Promise<void>((resolve) => ends.set(id, resolve));
  return { open, words, ends, telling: { decide, end } };
}

const HERE = { size: 6, lanes: 2, wait_ms: 600_000 };
const ELSEWHERE = { size: 12, lanes: 1, wait_ms: 0 };
const many = (router: string | undefined, count = 100) => Array<string | undefined>(count).fill(router);
const breaths = async () => {
  for (let i = 0; i < 5; i++) await scheduler.wait(1);
};

describe("leashes that are told to end", () => {
  it("are told one turn after another where their routers are elsewhere, however long these take to answer", async () => {
    const { open, words, ends, telling } = openLeashes(...many("in another place"));
    const told = await tellInTurns(open, telling);
    expect(ends.size).toBe(100);
    expect(told.map(({ connection }) => connection.id)).toEqual(open.map(({ id }) => id));
    expect(words.map((word) => word.length)).toEqual([...Array<number>(8).fill(12), 4]);
  });

  it("wait for those before them where their routers are on the vault's own thread", async () => {
    const { open, words, ends, telling } = openLeashes(...many(isolateName()));
    const told = tellInTurns(open, telling, [HERE, ELSEWHERE]);
    await breaths();
    expect(words.map((word) => word.length)).toEqual([6, 6]);
    // One of a turn is still at work.
    for (const id of words[0]?.slice(1) ?? []) ends.get(id)?.();
    await breaths();
    expect(words).toHaveLength(2);
    ends.get(words[0]?.[0] ?? "")?.();
    await vi.waitFor(() => expect(words).toHaveLength(3));
    const all = vi.waitUntil(() => ends.forEach((end) => end()) ?? ends.size === 100, { interval: 1 });
    expect(await told).toHaveLength(100);
    await all;
  });

  it("elsewhere do not wait for those on the vault's own thread, and who has no name is told by itself", async () => {
    const { open, words, ends, telling } = openLeashes(
      ...many(isolateName(), 30),
      ...many("far", 30),
      ...many(undefined, 3),
    );
    void tellInTurns(open, telling, [HERE, ELSEWHERE]);
    await vi.waitFor(() => expect(ends.size).toBe(12 + 33));
    await breaths();
    expect(ends.size).toBe(12 + 33);
    expect(words.filter((word) => word.length === 1)).toEqual([["60: revoked"], ["61: revoked"], ["62: revoked"]]);
  });

  it("are decided about as they are told, not all at once", async () => {
    const { open, telling } = openLeashes(...many(isolateName()));
    void tellInTurns(open, telling, [HERE, ELSEWHERE]);
    await breaths();
    expect(telling.decide).toHaveBeenCalledTimes(32);
  });
});

describe("leashes whose routers were told", () => {
  /** Cuts them, with a clock in our hands: each `look` is one of the vault's, after some have let go. */
  function cutting(count: number) {
    const { open, words } = openLeashes(...many("in another place", count));
    const waits: (() => void)[] = [];
    const wait = vi.spyOn(scheduler, "wait").mockImplementation(() => new Promise((resolve) => waits.push(resolve)));
    onTestFinished(() => {
      wait.mockRestore();
    });
    const leashes = new Leashes({ getConnections: () => open });
    const cut = leashes.cut(["t:tok"], "revoked", () => {});
    const look = async (...letting_go: number[]) => {
      await vi.waitUntil(() => waits.length > 0);
      for (const seq of letting_go) leashes.ended(open[seq] as never);
      waits.shift()?.();
      await Promise.resolve();
    };
    const insisted = () => words.filter(([word]) => word?.includes("revoked")).map(([word]) => word);
    return { open, cut, look, insisted };
  }

  it("are told by themselves as well once nobody lets go any more", async () => {
    const { cut, look, insisted } = cutting(5);
    await look(0, 1);
    await look();
    await vi.waitUntil(() => insisted().length > 0);
    expect(insisted()).toEqual(["2: revoked", "3: revoked", "4: revoked"]);
    await look(2);
    await look(3);
    expect(await cut).toEqual({ streams_cut: 4, unacknowledged: 1 });
  });

  it("are left alone by a vault that sees their routers at work, for three looks of four", async () => {
    const { cut, look, insisted } = cutting(5);
    await look(0);
    await look(1);
    expect(insisted()).toEqual([]);
    await look(2);
    await vi.waitUntil(() => insisted().length > 0);
    expect(insisted()).toEqual(["3: revoked", "4: revoked"]);
    await look(3, 4);
    expect(await cut).toEqual({ streams_cut: 5, unacknowledged: 0 });
  });

  it("are not waited for where another cut has ended them since it was decided that they end", async () => {
    const { open, cut, look } = cutting(13);
    // The first twelve were told. Before the thirteenth is, it ends.
    Object.assign(open[12] as never, { readyState: WebSocket.READY_STATE_CLOSED });
    await look();
    await look(...Array(12).keys());
    expect(await cut).toEqual({ streams_cut: 13, unacknowledged: 0 });
  });
});
