import { EventEmitter } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Leash } from "../../src/proxy/leash.ts";
import { CUT } from "../../src/vault/calls/telling.ts";
import type { Dispatch } from "../../src/vault/calls/dispatch.ts";

/** One end of a socket, as the runtime gives it, in a test's hands. */
class FakeSocket {
  readonly #events = new EventEmitter();
  readonly said: string[] = [];
  readyState = 1;
  answersPings = true;
  closedWith: number | undefined;

  accept(): void {}
  addEventListener(name: string, listener: (event: object) => void): void {
    this.#events.on(name, listener);
  }
  send(text: string): void {
    this.said.push(text);
    if (text === "ping" && this.answersPings) this.hear("pong");
  }
  hear(data: string): void {
    this.#events.emit("message", { data });
  }
  close(code: number): void {
    this.closedWith = code;
    this.readyState = -1;
  }
  end(code: number, reason = ""): void {
    this.readyState = -1;
    this.#events.emit("close", { code, reason });
  }
}

/** A vault that gives out sockets when and as the test says; undefined stands for one that cannot be reached. */
function fakeVault(next: () => Promise<FakeSocket | undefined>) {
  const leases: string[] = [];
  const ids: string[] = [];
  const stub = {
    fetch: async (url: string, { headers }: { headers: Record<string, string> }) => {
      ids.push(new URL(url).searchParams.get("_pk") ?? "");
      leases.push(headers["x-leash-lease"] ?? "");
      const webSocket = await next();
      return { webSocket: webSocket ?? null, status: webSocket === undefined ? 503 : 101 };
    },
  };
  return { leases, ids, open: () => stub as unknown as DurableObjectStub };
}

function leashTo(vault: ReturnType<typeof fakeVault>, not_after: number | null = null) {
  const cuts: string[] = [];
  const dispatch = { seq: 7, lease: "first", not_after, expiry_rule: "expired" } as Dispatch;
  return { leash: new Leash(vault.open, dispatch, (rule) => cuts.push(rule)), cuts };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", { READY_STATE_OPEN: 1 });
  vi.stubGlobal("scheduler", { wait: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)) });
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("two reasons to open a leash at the same moment open one: a second use of its lease would cut an honest call", async () => {
  const socket = new FakeSocket();
  const answered = Promise.withResolvers<FakeSocket>();
  const vault = fakeVault(() => answered.promise);
  const { leash, cuts } = leashTo(vault);
  // The 250 ms are over, and while the vault is being asked the upstream begins an event stream.
  const opening = [leash.open(), leash.open()];
  answered.resolve(socket);
  await Promise.all(opening);
  await leash.open();
  expect(vault.leases).toEqual(["first"]);
  expect(cuts).toEqual([]);
});

test("4001 cuts at once, with the vault's own rule, and nothing is asked again", async () => {
  const socket = new FakeSocket();
  const vault = fakeVault(async () => socket);
  const { leash, cuts } = leashTo(vault);
  await leash.open();
  socket.end(CUT, "key_paused");
  expect(cuts).toEqual(["key_paused"]);
  await vi.advanceTimersByTimeAsync(60_000);
  await leash.open();
  expect(vault.leases).toHaveLength(1);
});

test("a word over any leash of this isolate cuts the calls that it names, and no other", async () => {
  const sockets = [new FakeSocket(), new FakeSocket(), new FakeSocket()] as const;
  const vault = fakeVault(async () => sockets[vault.leases.length - 1]);
  const calls = [leashTo(vault), leashTo(vault), leashTo(vault)] as const;
  for (const { leash } of calls) await leash.open();
  const leashes = [...vault.ids.slice(1), "of another isolate"];
  sockets[0].hear(JSON.stringify({ cut: { rule: "revoked", leashes } }));
  await vi.advanceTimersByTimeAsync(0);
  expect(calls.map(({ cuts }) => cuts)).toEqual([[], ["revoked"], ["revoked"]]);
  // Its row has ended there. The leash goes with the call, and says nothing more.
  expect(sockets[1].closedWith).toBeUndefined();
  expect(calls[1].leash.end({ seq: 7, outcome: "cut" })).toBe(true);
  expect(sockets[1]).toMatchObject({ closedWith: 1000, said: [] });
  sockets[1].end(1000);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(vault.leases).toHaveLength(3);
  // Who has ended is not woken again.
  sockets[0].hear(JSON.stringify({ cut: { rule: "frozen", leashes } }));
  await vi.advanceTimersByTimeAsync(0);
  expect(calls[1].cuts).toEqual(["revoked"]);
});

test("how a call ended that the vault has cut is not told to it again, unless it did not know whose leash it was", async () => {
  for (const [rule, known] of [
    ["revoked", true],
    ["lease", false],
  ] as const) {
    const socket = new FakeSocket();
    const { leash } = leashTo(fakeVault(async () => socket));
    await leash.open();
    socket.end(CUT, rule);
    expect(leash.end({ seq: 7, outcome: "cut" })).toBe(known);
    expect(socket.said).toEqual([]);
  }
});

test("a leash that is lost in any other way is opened again within two seconds, with the lease that came last", async () => {
  const sockets = [new FakeSocket(), new FakeSocket()];
  const vault = fakeVault(async () => sockets[vault.leases.length - 1]);
  const { leash, cuts } = leashTo(vault);
  await leash.open();
  sockets[0]?.hear(JSON.stringify({ lease: "second" }));
  sockets[0]?.end(1006);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(vault.leases).toEqual(["first", "second"]);
  expect(cuts).toEqual([]);
  leash.answered(200);
  expect(sockets[1]?.said).toEqual([JSON.stringify({ status: 200 })]);
});

test("a vault that cannot be reached for ten seconds cuts the call: without a leash nothing goes on", async () => {
  const socket = new FakeSocket();
  const vault = fakeVault(async () => (vault.leases.length === 1 ? socket : undefined));
  const { leash, cuts } = leashTo(vault);
  await leash.open();
  socket.end(1011);
  await vi.advanceTimersByTimeAsync(9_900);
  expect(cuts).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_200);
  expect(cuts).toEqual(["leash_lost"]);
  expect(vault.leases.length).toBeGreaterThan(5);
});

test("the same holds for a leash that could never be opened", async () => {
  const { leash, cuts } = leashTo(fakeVault(async () => undefined));
  void leash.open();
  await vi.advanceTimersByTimeAsync(12_200);
  expect(cuts).toEqual(["leash_lost"]);
});

test("two pings without an answer mean that the leash is lost", async () => {
  const sockets = [new FakeSocket(), new FakeSocket()];
  const vault = fakeVault(async () => sockets[vault.leases.length - 1]);
  const { leash } = leashTo(vault);
  await leash.open();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(vault.leases).toHaveLength(1);
  if (sockets[0] !== undefined) sockets[0].answersPings = false;
  await vi.advanceTimersByTimeAsync(2_000 * 4 + 2_000);
  expect(sockets[0]?.closedWith).toBe(1001);
  expect(vault.leases).toHaveLength(2);
});

test("an expiry cuts at its moment, leash or no leash, and not before", async () => {
  const { cuts } = leashTo(
    fakeVault(async () => undefined),
    Date.now() + 5_000,
  );
  await vi.advanceTimersByTimeAsync(4_999);
  expect(cuts).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(cuts).toEqual(["expired"]);
});

test("an expiry that the vault tells over the leash takes the place of the one before, sooner or later or none at all", async () => {
  const socket = new FakeSocket();
  const { leash, cuts } = leashTo(
    fakeVault(async () => socket),
    Date.now() + 5_000,
  );
  await leash.open();
  const tell = (not_after: number | null) => socket.hear(JSON.stringify({ not_after, expiry_rule: "key_expired" }));
  tell(Date.now() + 60_000);
  await vi.advanceTimersByTimeAsync(10_000);
  tell(null);
  await vi.advanceTimersByTimeAsync(100_000);
  expect(cuts).toEqual([]);
  tell(Date.now() + 1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(cuts).toEqual(["key_expired"]);
});

test("a call that ends tells its outcome over the leash it has, and gets no leash any more if it has none", async () => {
  const socket = new FakeSocket();
  const { leash } = leashTo(fakeVault(async () => socket));
  await leash.open();
  expect(leash.end({ seq: 7, outcome: "ok" })).toBe(true);
  expect(socket.said).toEqual([JSON.stringify({ settle: { seq: 7, outcome: "ok" } })]);
  expect(socket.closedWith).toBe(1000);

  const vault = fakeVault(async () => new FakeSocket());
  const { leash: second } = leashTo(vault);
  expect(second.end({ seq: 8, outcome: "ok" })).toBe(false);
  await second.open();
  expect(vault.leases).toEqual([]);
});

test("a leash that comes after its call has ended is let go of", async () => {
  const socket = new FakeSocket();
  const answered = Promise.withResolvers<FakeSocket>();
  const { leash, cuts } = leashTo(fakeVault(() => answered.promise));
  const opening = leash.open();
  leash.end({ seq: 7, outcome: "ok" });
  answered.resolve(socket);
  await opening;
  expect(socket.closedWith).toBe(1000);
  expect(cuts).toEqual([]);
});
