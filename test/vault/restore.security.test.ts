import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { checkChain } from "../../src/vault/audit/chain.ts";
import { remember, restore } from "../support/restore.ts";
import { newRotating, refreshWith } from "../support/refresh.ts";
import {
  ADA,
  ORIGIN,
  type Vault,
  authorize,
  evict,
  mintApp,
  newVault,
  outbox,
  refusalOf,
  runAlarm,
  runAlarmAfter,
  signIn,
  sql,
  storeKey,
  travel,
  wholeLog,
} from "../support/vault.ts";

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
});

const HOUR_MS = 3_600_000;

/** A vault with a past, and all of it in D1. */
async function lived() {
  const vault = await newVault();
  await storeKey(vault, "k");
  const [kept, revoked, paused, used] = [
    await mintApp(vault),
    await mintApp(vault),
    await mintApp(vault),
    await newRotating(vault, "monthly"),
  ];
  const session = await signIn(vault.stub, vault.account_id);
  await shipped(vault);
  return { vault, kept, revoked, paused, used, session };
}

async function shipped(vault: Vault): Promise<void> {
  await runAlarmAfter(vault, 10_001);
  expect(await outbox(vault)).toEqual([]);
}

async function assertWhole(vault: Vault): Promise<void> {
  const session = await signIn(vault.stub, vault.account_id);
  const { rows, heads } = await wholeLog({ ...vault, ada: session });
  expect(checkChain(rows, heads).fault).toBeUndefined();
}

describe("after a restore to hours ago, before anything is served", () => {
  it("what was revoked, paused or used up since is so again, and what was left alone works", async () => {
    const { vault, kept, revoked, paused, used, session } = await lived();
    const then = await remember(vault);
    travel(2 * HOUR_MS);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await ask(vault.stub.pauseToken(vault.ada, paused.id));
    const { session: me } = await ask(vault.stub.me(session));
    await ask(vault.stub.revokeSession(vault.ada, me.id));
    await refreshWith(vault, used);
    await shipped(vault);
    await restore(vault, then);

    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
    expect(await refusalOf(authorize(vault, paused, "k"))).toBe("paused token_paused");
    expect(await refusalOf(refreshWith(vault, used))).toBe("invalid_token revoked");
    expect(await refusalOf(ask(vault.stub.me(session)))).toBe("invalid_token revoked");
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("accepted");
    expect((await outbox(vault)).map(({ decision }) => decision.action)).toContain("vault.restored");
  });

  it("a deleted key is gone again, and a freeze lies again", async () => {
    const { vault, kept } = await lived();
    await storeKey(vault, "leaked");
    await shipped(vault);
    const then = await remember(vault);
    travel(2 * HOUR_MS);
    await ask(vault.stub.deleteKey(vault.ada, "leaked"));
    await shipped(vault);
    await restore(vault, then);
    expect(await refusalOf(authorize(vault, kept, "leaked"))).toBe("not_found keys");
    const again = await remember(vault);
    travel(2 * HOUR_MS);
    await ask(vault.stub.freeze(vault.ada));
    await shipped(vault);
    await restore(vault, again);
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("frozen frozen");
  });

  it("the log goes on where D1 ends, in one chain, and doing it again changes nothing", async () => {
    const { vault, kept, revoked } = await lived();
    const then = await remember(vault);
    travel(2 * HOUR_MS);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    const { seq } = await authorize(vault, kept, "k");
    await ask(vault.stub.settle([{ seq, outcome: "ok", status: 200 }]));
    await shipped(vault);
    await restore(vault, then);
    expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up", rows: 2, replayed: 1 });
    expect(await ask(vault.stub.restored())).toEqual({ outcome: "in_step" });
    await authorize(vault, kept, "k");
    await assertWhole(vault);
    await runAlarmAfter(vault, 10_001);
    await assertWhole(vault);
  });

  it("a vault whose owner has deleted it since is deleted again", async () => {
    const { vault, kept } = await lived();
    const then = await remember(vault);
    const schema = await sql<{ sql: string }>(
      vault,
      "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY type DESC",
    );
    travel(2 * HOUR_MS);
    const fresh = await signIn(vault.stub, vault.account_id);
    await ask(vault.stub.deleteAccount({ ...fresh, may: ["session_recent"] }));
    await runInDurableObject(vault.stub, (_vault, { storage }) => {
      for (const { sql } of schema) storage.sql.exec(sql);
    });
    await restore(vault, then);
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("invalid_token");
    await runAlarm(vault);
    expect(await refusalOf(ask(vault.stub.signIn(vault.account_id, ADA, ORIGIN)))).toBe("gone");
    expect(await sql(vault, "SELECT name FROM sqlite_master")).toEqual([]);
  });
});

describe("a restore to less than an hour ago", () => {
  it("is noticed with the first row that comes to D1, and what was done meanwhile is kept behind it", async () => {
    const { vault, kept, revoked } = await lived();
    const then = await remember(vault);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await shipped(vault);
    await restore(vault, then);
    await ask(vault.stub.pauseToken(vault.ada, kept.id));
    await runAlarmAfter(vault, 10_001);
    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
    const actions = (await outbox(vault)).map(({ decision }) => decision.action);
    expect(actions.slice(0, 2)).toEqual(["token.pause", "vault.restored"]);
    await assertWhole(vault);
  });

  it("however much more was done since than was lost: no row of it comes to D1 before what was lost is caught up with", async () => {
    const { vault, kept, revoked } = await lived();
    const then = await remember(vault);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await shipped(vault);
    await restore(vault, then);
    const { seq } = await authorize(vault, kept, "k");
    for (let i = 0; i < 3; i++) {
      await ask(vault.stub.pauseToken(vault.ada, kept.id));
      await ask(vault.stub.resumeToken(vault.ada, kept.id));
    }
    await runAlarmAfter(vault, 10_001);
    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
    await ask(vault.stub.settle([{ seq, outcome: "ok", status: 200 }]));
    await runAlarmAfter(vault, 20_000);
    expect(await outbox(vault)).toEqual([]);
    await assertWhole(vault);
  });
});

describe("where calls were under way that never came to D1", () => {
  for (const own of [0, 1, 3])
    it(`what was revoked beside them is so again, also when ${own} rows were written since`, async () => {
      const { vault, kept, revoked } = await lived();
      const then = await remember(vault);
      await authorize(vault, kept, "k");
      await ask(vault.stub.revokeToken(vault.ada, revoked.id));
      await authorize(vault, kept, "k");
      await ask(vault.stub.pauseToken(vault.ada, kept.id));
      await runAlarmAfter(vault, 10_001);
      expect(await outbox(vault)).toHaveLength(2);
      await restore(vault, then);
      for (let i = 0; i < own; i++) await mintApp(vault);
      if (own > 0) await runAlarmAfter(vault, 10_001);
      else expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up", replayed: 2 });
      expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
      expect(await refusalOf(authorize(vault, kept, "k"))).toBe("paused token_paused");
      await runAlarmAfter(vault, 20_000);
      expect(await outbox(vault)).toEqual([]);
      const { rows, heads } = await wholeLog(vault);
      // What they were is known nowhere any more, and the log says so.
      const missing = heads.head_seq - rows.length;
      expect(missing).toBe(2);
      expect(checkChain(rows, heads).fault).toMatch(/^row \d+ is missing$/);
    });
});

describe("looking for a restore", () => {
  it("finds none where a call of before is still under way and later rows have left", async () => {
    const { vault, kept } = await lived();
    const { seq } = await authorize(vault, kept, "k");
    const later = await authorize(vault, kept, "k");
    await ask(vault.stub.settle([{ seq: later.seq, outcome: "ok", status: 200 }]));
    await runAlarmAfter(vault, 10_001);
    expect((await outbox(vault)).map((row) => row.seq)).toEqual([seq]);
    expect(await ask(vault.stub.restored())).toEqual({ outcome: "in_step" });
  });

  it("asks D1 at most once an hour, and stops nobody while D1 is away", async () => {
    const { vault, kept } = await lived();
    const asked = vi.spyOn(env.DB, "prepare");
    const looks = () => asked.mock.calls.filter(([text]) => text.includes("tombstone WHERE vault_id = ?")).length;
    for (let i = 0; i < 3; i++) await authorize(vault, kept, "k");
    expect(looks()).toBe(0);
    travel(HOUR_MS);
    await Promise.all([1, 2, 3].map(() => authorize(vault, kept, "k")));
    await evict(vault);
    await authorize(vault, kept, "k");
    expect(looks()).toBe(1);
    travel(HOUR_MS);
    asked.mockImplementation(() => {
      throw new Error("D1 is away");
    });
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("accepted");
  });

  it("does nothing by rows that do not follow this vault's own chain", async () => {
    const { vault, kept } = await lived();
    const decision = JSON.stringify({
      seq: 99,
      prev: "x",
      id: "aud_x",
      at: "2026-01-01T00:00:00.000Z",
      action: "token.revoke",
      subject: kept.id,
    });
    await env.DB.prepare("INSERT INTO audit (vault_id, seq, at, decision, hash) VALUES (?, 99, 1, ?, 'h')")
      .bind(vault.id, decision)
      .run();
    expect(await refusalOf(ask(vault.stub.restored()))).toBe("conflict");
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("accepted");
  });
});
