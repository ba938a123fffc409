import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { cutFor, openLeash, outcomeOf } from "../support/leash.ts";
import { checkChain } from "../support/chain.ts";
import {
  type App,
  type Vault,
  archive,
  authorize,
  evict,
  inside,
  outbox,
  refusalOf,
  runAlarm,
  runAlarmAfter,
  sql,
  vaultWithKey,
  wholeLog,
} from "../support/vault.ts";

const DOWN = () => Promise.reject(new Error("down"));

/** What a vault leans on, and how it fails. The provider is nobody that a vault asks. */
const OUTAGES: Record<string, () => void> = {
  KV: () => {
    for (const way of ["get", "put", "delete"] as const) vi.spyOn(env.BLOBS, way).mockImplementation(DOWN as never);
  },
  D1: () => {
    vi.spyOn(env.DB, "prepare").mockImplementation(() => {
      throw new Error("down");
    });
  },
};
OUTAGES["KV and D1"] = () => {
  OUTAGES.KV?.();
  OUTAGES.D1?.();
};

const STOPS: Record<string, [string, (vault: Vault, app: App) => Promise<unknown>]> = {
  "revoking a token": ["revoked", ({ stub, ada }, { id }) => ask(stub.revokeToken(ada, id))],
  "pausing a token": ["token_paused", ({ stub, ada }, { id }) => ask(stub.pauseToken(ada, id))],
  "pausing a key": ["key_paused", ({ stub, ada }) => ask(stub.pauseKey(ada, "k"))],
  "deleting a key": ["key_deleted", ({ stub, ada }) => ask(stub.deleteKey(ada, "k"))],
  freezing: ["frozen", ({ stub, ada }) => ask(stub.freeze(ada))],
};

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
});

describe.each(Object.keys(OUTAGES))("while %s cannot be reached", (which) => {
  it.each(Object.entries(STOPS))(
    "%s works, cuts what is open and is still so afterwards",
    async (_what, [rule, stop]) => {
      const { vault, app } = await vaultWithKey();
      const call = await authorize(vault, app, "k");
      const leash = await openLeash(vault, call);
      await leash.next;
      OUTAGES[which]?.();
      // Cold: nothing that was in memory helps.
      await evict(vault);
      await stop(vault, app);
      expect(await leash.closed).toEqual(cutFor(rule));
      expect(await outcomeOf(vault, call.seq)).toMatchObject({ outcome: "cut", rule });
      expect(await refusalOf(authorize(vault, app, "k"))).not.toBe("accepted");
      // Rows that cannot leave stand in nobody's way.
      await runAlarm(vault);
      await evict(vault);
      expect(await refusalOf(authorize(vault, app, "k"))).not.toBe("accepted");
      expect(await inside(vault, (_object, { storage }) => storage.sql.databaseSize)).toBeGreaterThan(0);
    },
  );
});

/** How long somebody waits for a store that says nothing: not ten seconds, but so many milliseconds. */
function patience(ms: number): void {
  const timer = globalThis.setTimeout;
  vi.spyOn(globalThis, "setTimeout").mockImplementation(((work: () => void, given?: number) =>
    timer(work, given === 10_000 ? ms : given)) as typeof setTimeout);
}

/** From now on each statement is answered by this instead of by D1. */
function answerStatements(by: (statement: D1PreparedStatement, way: string) => Promise<unknown>): void {
  const prepare = env.DB.prepare.bind(env.DB);
  const answered = (statement: D1PreparedStatement): D1PreparedStatement =>
    new Proxy(statement, {
      get: (target, way: string) =>
        way === "bind" ? (...values: unknown[]) => answered(target.bind(...values)) : () => by(target, way),
    });
  vi.spyOn(env.DB, "prepare").mockImplementation((query) => answered(prepare(query)));
}

describe("while D1 hangs", () => {
  it.each([
    ["and does nothing", { does: false }],
    ["and has done all the same what it was asked for", { does: true }],
  ])("%s, an alarm ends, its other jobs are done, and every row arrives once", async (_what, { does }) => {
    const { vault, app } = await vaultWithKey();
    const done = await authorize(vault, app, "k");
    await ask(vault.stub.settle([{ seq: done.seq, outcome: "ok", status: 200 }]));
    const left = await authorize(vault, app, "k");
    let asked = 0;
    patience(100);
    answerStatements(async (statement, way) => {
      asked++;
      if (does && way === "run") await statement.run();
      return new Promise(() => {});
    });
    await runAlarmAfter(vault, 15_001);
    expect(asked).toBeGreaterThan(0);
    // No row has gone before D1 has said that it is there, and the call that nobody carries has its end.
    const rows = await outbox(vault);
    const numbers = rows.map(({ seq }) => seq);
    expect(numbers).toEqual(Array.from(numbers, (_, at) => at + 1));
    expect(rows.find(({ seq }) => seq === left.seq)).toMatchObject({ outcome: { outcome: "interrupted" } });
    // It is tried again by itself.
    expect(await sql(vault, "SELECT failures FROM job WHERE name = 'ship'")).toEqual([{ failures: 1 }]);
    expect(await inside(vault, (_object, { storage }) => storage.getAlarm())).toBeGreaterThan(0);

    vi.restoreAllMocks();
    await evict(vault);
    await runAlarmAfter(vault, 60_000);
    expect(await outbox(vault)).toEqual([]);
    expect((await archive(vault)).map(({ seq }) => seq)).toEqual(numbers);
    const log = await wholeLog(vault);
    expect(checkChain(log.rows, log.heads, { latest: log.heads }).fault).toBeUndefined();
  });

  it("a call and a stop that come while an alarm waits for it wait for nothing", async () => {
    const { vault, app } = await vaultWithKey();
    let [asked, over] = [false, false];
    patience(3_600_000);
    answerStatements(async () => {
      asked = true;
      while (!over) await scheduler.wait(10);
      throw new Error("down");
    });
    const alarm = runAlarmAfter(vault, 10_001);
    await vi.waitFor(() => expect(asked).toBe(true), 20_000);
    await authorize(vault, app, "k");
    await ask(vault.stub.revokeToken(vault.ada, app.id));
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("invalid_token revoked");
    over = true;
    await alarm;
  });
});
