import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { checkChain } from "../support/chain.ts";
import { BATCH_ROWS } from "../../src/vault/audit/outbox.ts";
import {
  type Vault,
  archive,
  authorize,
  callAndSettle,
  evict,
  inside,
  mintApp,
  outbox,
  refusalOf,
  runAlarm,
  runAlarmAfter,
  sql,
  storeKey,
  travel,
  vaultWithKey,
  wholeLog,
  withoutD1,
} from "../support/vault.ts";

const BATCH = BATCH_ROWS;

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
});

/** Counts the rows that a vault writes from now on; they are what an object's storage is paid by. */
async function countingRows(vault: Vault): Promise<() => number> {
  let rows = 0;
  await inside(vault, (_vault, { storage: { sql } }) => {
    const exec = sql.exec.bind(sql);
    sql.exec = (<T extends Record<string, SqlStorageValue>>(query: string, ...values: unknown[]) => {
      const cursor = exec<T>(query, ...values);
      rows += cursor.rowsWritten;
      return cursor;
    }) as typeof sql.exec;
  });
  return () => rows;
}

async function job(vault: Vault, name: string): Promise<{ due_in: number; failures: number } | undefined> {
  const [row] = await sql<{ due_at: number; failures: number }>(
    vault,
    "SELECT due_at, failures FROM job WHERE name = ?",
    name,
  );
  return row && { due_in: row.due_at - Date.now(), failures: row.failures };
}

it("a call writes three rows in its vault and one in D1, and a batch of calls a handful more", async () => {
  const { vault, app } = await vaultWithKey();
  await runAlarmAfter(vault, 11_000);
  const before = await archive(vault);
  const written = await countingRows(vault);
  await callAndSettle(vault, app, 40);
  await runAlarmAfter(vault, 11_000);
  expect((await archive(vault)).length - before.length).toBe(40);
  expect(await outbox(vault)).toEqual([]);
  // The decision, its outcome, and its leaving for D1.
  expect(written()).toBeGreaterThanOrEqual(3 * 40);
  expect(written()).toBeLessThanOrEqual(3 * 40 + 12);
});

it("a call by itself sets the alarm once: when it begins, not again when it ends", async () => {
  const { vault, app } = await vaultWithKey();
  await runAlarmAfter(vault, 11_000);
  const set = await inside(vault, (_vault, { storage }) => vi.spyOn(storage, "setAlarm"));
  await callAndSettle(vault, app, 1);
  expect(set).toHaveBeenCalledOnce();
});

describe("shipping", () => {
  it("takes whole rows to D1 within ten seconds and leaves pending ones", async () => {
    const { vault, app } = await vaultWithKey();
    await callAndSettle(vault, app, 3);
    const { seq } = await authorize(vault, app, "k");
    await runAlarmAfter(vault, 10_001);
    expect((await outbox(vault)).map((row) => row.seq)).toEqual([seq]);
    expect((await archive(vault)).map((row) => row.seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(checkChain(...(await log(vault))).fault).toBeUndefined();
  });

  it("empties a long outbox in one go, a batch at a time", async () => {
    const { vault, app } = await vaultWithKey();
    await callAndSettle(vault, app, BATCH + 30);
    const run = vi.spyOn(env.DB, "prepare");
    await runAlarmAfter(vault, 10_001);
    // One statement a batch.
    expect(run.mock.calls.filter(([text]) => text.includes("INTO audit "))).toHaveLength(2);
    expect(run.mock.calls.filter(([text]) => text.includes("max(seq)"))).toEqual([]);
    expect(await outbox(vault)).toEqual([]);
    expect(await archive(vault)).toHaveLength(BATCH + 33);
    expect(checkChain(...(await log(vault))).fault).toBeUndefined();
  });

  it("does not wait for company once a batch is together", async () => {
    const { vault, app } = await vaultWithKey();
    travel(0);
    await callAndSettle(vault, app, BATCH - 4);
    expect((await job(vault, "ship"))?.due_in).toBeGreaterThan(5_000);
    await callAndSettle(vault, app, 1);
    expect((await job(vault, "ship"))?.due_in ?? 0).toBeLessThanOrEqual(0);
  });

  it("of rows that D1 has already changes nothing: no row twice, none lost", async () => {
    const { vault, app } = await vaultWithKey();
    await callAndSettle(vault, app, 5);
    const rows = await sql(vault, "SELECT * FROM audit");
    await runAlarmAfter(vault, 10_001);
    const before = await archive(vault);
    // D1 has confirmed, but the vault crashed before it forgot the rows.
    await inside(vault, (_vault, { storage }) => {
      for (const { seq, decision, hash, pending, outcome, outcome_hash } of rows)
        storage.sql.exec(
          "INSERT INTO audit (seq, decision, hash, pending, outcome, outcome_hash) VALUES (?, ?, ?, ?, ?, ?)",
          ...([seq, decision, hash, pending, outcome, outcome_hash] as SqlStorageValue[]),
        );
    });
    await evict(vault);
    await storeKey(vault, "wakes-the-job");
    await runAlarmAfter(vault, 10_001);
    expect(await outbox(vault)).toEqual([]);
    expect((await archive(vault)).slice(0, before.length)).toEqual(before);
    expect(await archive(vault)).toHaveLength(before.length + 1);
  });

  it("does not forget a row whose place in D1 somebody else has taken", async () => {
    const { vault, app } = await vaultWithKey();
    await env.DB.prepare("INSERT INTO audit (vault_id, seq, at, decision, hash) VALUES (?, 5, 0, '{}', 'forged')")
      .bind(vault.id)
      .run();
    await callAndSettle(vault, app, 4);
    await runAlarmAfter(vault, 10_001);
    expect((await outbox(vault)).map(({ seq }) => seq)).toContain(5);
    await env.DB.prepare("DELETE FROM audit WHERE vault_id = ? AND seq = 5").bind(vault.id).run();
    await runAlarmAfter(vault, 60_000);
    expect(await outbox(vault)).toEqual([]);
    expect(checkChain(...(await log(vault))).fault).toBeUndefined();
  });
});

describe("while D1 is down", () => {
  it("rows stay, calls go on, and nothing is lost or doubled afterwards", async () => {
    const { vault, app } = await vaultWithKey();
    await withoutD1(async () => {
      await callAndSettle(vault, app, 20);
      for (let i = 0; i < 4; i++) await runAlarmAfter(vault, 20_000);
      await callAndSettle(vault, app, 20);
      await evict(vault);
      await runAlarmAfter(vault, 60_000);
      expect(await outbox(vault)).toHaveLength(43);
    });
    await runAlarmAfter(vault, 5 * 60_000);
    expect(await outbox(vault)).toEqual([]);
    expect((await archive(vault)).map(({ seq }) => seq)).toEqual(Array.from({ length: 43 }, (_, i) => i + 1));
    expect(checkChain(...(await log(vault))).fault).toBeUndefined();
  });

  it("it is asked less and less often, however many calls there are, also after a sleep", async () => {
    const { vault, app } = await vaultWithKey();
    await withoutD1(async () => {
      const waits: number[] = [];
      await runAlarmAfter(vault, 10_001);
      for (let i = 0; i < 9; i++) {
        await callAndSettle(vault, app, 1);
        if (i % 3 === 2) await evict(vault);
        await callAndSettle(vault, app, 1);
        const { due_in = 0 } = (await job(vault, "ship")) ?? {};
        waits.push(Math.round(due_in / 1_000));
        await runAlarmAfter(vault, due_in + 1);
      }
      expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300]);
    });
  });

  it("calls that nobody carries any more are ended all the same", async () => {
    const { vault, app } = await vaultWithKey();
    await withoutD1(async () => {
      for (let i = 0; i < 8; i++) await runAlarmAfter(vault, 5 * 60_000);
      const { seq } = await authorize(vault, app, "k");
      await runAlarmAfter(vault, 15_001);
      const row = (await outbox(vault)).find((one) => one.seq === seq);
      expect(row).toMatchObject({ pending: false, outcome: { outcome: "interrupted" } });
    });
  });
});

describe("counts of uses and refusals", () => {
  it("are the same before, while and after their rows leave", async () => {
    const { vault, app } = await vaultWithKey();
    const narrow = await mintApp(vault, { methods: ["GET"] });
    const counts = async () => {
      const { stub, ada } = vault;
      return Promise.all(
        [app, narrow].map(async ({ id }) => {
          const { uses, refused } = await ask(stub.getToken(ada, id));
          return [uses, refused];
        }),
      );
    };
    await callAndSettle(vault, app, 4);
    await authorize(vault, app, "k");
    await authorize(vault, narrow, "k");
    for (let i = 0; i < 7; i++) await refusalOf(authorize(vault, narrow, "k", { method: "POST" }));
    const early = await counts();
    expect(early[0]).toEqual([5, 0]);
    expect(early[1]?.[0]).toBe(1);
    for (let i = 0; i < 20; i++) await runAlarmAfter(vault, 5_001);
    await evict(vault);
    expect(await outbox(vault)).toEqual([]);
    expect(await counts()).toEqual([
      [5, 0],
      [1, 7],
    ]);
    const key = await ask(vault.stub.getKey(vault.ada, "k"));
    expect(key.uses).toBe(6);
    travel(1_000);
    await callAndSettle(vault, app, 1);
    expect(await counts()).toEqual([
      [6, 0],
      [1, 7],
    ]);
  });

  it("count a call that was overtaken as a refusal, not as a use", async () => {
    const { vault, app } = await vaultWithKey();
    await sql(vault, "UPDATE key_version SET sealed = NULL");
    await evict(vault);
    await inside(vault, (object) => {
      const hash = app.hash;
      const call = object.authorize(
        { hash, key: "k", method: "GET", path: "/", overridden: false, ip: "", country: "", user_agent: "" },
        [],
      );
      return Promise.all([call, object.pauseToken(vault.ada, app.id)]);
    });
    await runAlarmAfter(vault, 15_001);
    expect(await ask(vault.stub.getToken(vault.ada, app.id))).toMatchObject({
      uses: 0,
      refused: 1,
      last_used_at: null,
    });
  });
});

it("an alarm that the platform gave up is set again when the vault next wakes", async () => {
  const { vault, app } = await vaultWithKey();
  await callAndSettle(vault, app, 1);
  await inside(vault, (_vault, { storage }) => storage.deleteAlarm());
  await evict(vault);
  travel(2 * 60_000);
  await inside(vault, () => {});
  await runAlarm(vault);
  expect(await outbox(vault)).toEqual([]);
});

async function log(vault: Vault) {
  const { rows, heads } = await wholeLog(vault);
  return [rows, heads, { latest: heads }] as const;
}
