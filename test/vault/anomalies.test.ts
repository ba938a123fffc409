import { describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { BATCH_WAIT_MS } from "../../src/vault/audit/outbox.ts";
import { countCalls, countCountry, countEnds, newNormal, type Normal } from "../../src/vault/alerts/normal.ts";
import {
  type App,
  ORIGIN,
  type Vault,
  authorize,
  derive,
  evict,
  inside,
  outbox,
  refusalOf,
  runAlarmAfter,
  sql,
  vaultWithKey,
} from "../support/vault.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A token that has made one call an hour for a month, from one country. */
async function usedForAMonth(): Promise<{ vault: Vault; app: App }> {
  const { vault, app } = await vaultWithKey();
  const start = Date.now() - 30 * DAY_MS;
  const normal = newNormal(start);
  for (let at = start; at < Date.now() - HOUR_MS; at += HOUR_MS) {
    countCalls(normal, at);
    countEnds(normal, 0, 1, at);
    countCountry(normal, ORIGIN.country, at);
  }
  await sql(vault, "INSERT INTO baseline VALUES (?, ?, ?)", app.id, JSON.stringify(normal), Date.now());
  return { vault, app };
}

const alerts = ({ stub, ada }: Vault) => ask(stub.listAlerts(ada, undefined, 50, {}));
const stored = async (vault: Vault, app: App) => {
  const [row] = await sql<{ normal: string }>(vault, "SELECT normal FROM baseline WHERE actor = ?", app.id);
  return row && (JSON.parse(row.normal) as Normal);
};

describe("a token that is used as never before", () => {
  it("raises one alert, however long it goes on", async () => {
    const { vault, app } = await usedForAMonth();
    // Off the minute's edge, so that all of it falls into one.
    vi.setSystemTime(Math.ceil(Date.now() / 60_000) * 60_000);
    for (let i = 0; i < 59; i++) await authorize(vault, app, "k");
    expect(await alerts(vault)).toEqual([]);
    for (let i = 0; i < 60; i++) await authorize(vault, app, "k");
    expect(await alerts(vault)).toMatchObject([
      { kind: "volume", subject: app.id, name: "app", count: 1, facts: { calls: 60, within: "minute", usual: 1 } },
    ]);
  });

  it("is stopped by the very call that shows it, where its owner has said so", async () => {
    const { vault, app } = await usedForAMonth();
    await ask(vault.stub.changeAlertSettings(vault.ada, { new_country: { auto_freeze: "subject" } }));
    await authorize(vault, app, "k");
    expect(await refusalOf(authorize(vault, app, "k", { country: "FR" }))).toBe("paused token_paused");
    expect(await alerts(vault)).toMatchObject([{ kind: "new_country", froze: "subject", facts: { country: "FR" } }]);
    const call = (await outbox(vault)).findLast(({ decision }) => decision.action === "proxy.call");
    expect(call?.outcome).toMatchObject({ outcome: "refused", rule: "token_paused" });
  });

  it("is noticed and stopped by whatever it derives, of which nothing is known yet", async () => {
    const { vault, app } = await usedForAMonth();
    await ask(vault.stub.changeAlertSettings(vault.ada, { volume: { auto_freeze: "subject" } }));
    vi.setSystemTime(Math.ceil(Date.now() / 60_000) * 60_000);
    for (let child = 0; child < 3; child++) {
      const derived = await derive(vault, app, {}, `child ${child}`);
      for (let i = 0; i < 20; i++) await authorize(vault, derived, "k").catch(() => {});
    }
    expect(await alerts(vault)).toMatchObject([{ kind: "volume", subject: app.id, name: "app", froze: "subject" }]);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("paused token_paused");
  });

  it("from two new countries raises one alert that counts two", async () => {
    const { vault, app } = await usedForAMonth();
    for (const country of ["FR", "FR", "DE", "NZ"]) await authorize(vault, app, "k", { country });
    expect(await alerts(vault)).toMatchObject([{ kind: "new_country", count: 2, facts: { country: "DE" } }]);
  });
});

describe("calls that fail", () => {
  it("in a burst raise an alert, also where the vault slept between", async () => {
    const { vault, app } = await usedForAMonth();
    // Off a window's edge, so that all of it falls into one.
    vi.setSystemTime(Math.ceil(Date.now() / 300_000) * 300_000);
    for (let i = 0; i < 6; i++) {
      const { seq } = await authorize(vault, app, "k");
      await ask(vault.stub.settle([{ seq, outcome: "ok", status: 401 }]));
    }
    await runAlarmAfter(vault, BATCH_WAIT_MS);
    await evict(vault);
    expect(await alerts(vault)).toEqual([]);
    for (let i = 0; i < 6; i++) {
      const { seq } = await authorize(vault, app, "k");
      await ask(vault.stub.settle([{ seq, outcome: "failed" }]));
    }
    expect(await alerts(vault)).toMatchObject([{ kind: "error_burst", subject: app.id }]);
  });

  it("as calls do in everyday life raise none", async () => {
    const { vault, app } = await usedForAMonth();
    for (const status of [404, 422, 200, 409, 400]) {
      for (let i = 0; i < 5; i++) {
        const { seq } = await authorize(vault, app, "k");
        await ask(vault.stub.settle([{ seq, outcome: "ok", status }]));
      }
    }
    expect(await alerts(vault)).toEqual([]);
  });

  it("because somebody tries what a token can do count, once for each", async () => {
    const { vault, app } = await usedForAMonth();
    for (let i = 0; i < 30; i++) await authorize(vault, app, `guess-${i}`).catch(() => {});
    await runAlarmAfter(vault, 61_000);
    expect(await alerts(vault)).toMatchObject([{ kind: "error_burst", subject: app.id }]);
  });

  it("because the token is paused count for nothing", async () => {
    const { vault, app } = await usedForAMonth();
    await ask(vault.stub.pauseToken(vault.ada, app.id));
    for (let i = 0; i < 30; i++) await authorize(vault, app, "k").catch(() => {});
    await runAlarmAfter(vault, 61_000);
    expect(await alerts(vault)).toEqual([]);
  });
});

describe("what was learned", () => {
  it("is written with the batch that goes to D1, one row a token, and never with a call", async () => {
    const { vault, app } = await vaultWithKey();
    const written = await inside(vault, async (object, { storage }) => {
      const write = vi.spyOn(storage.sql, "exec");
      for (let i = 0; i < 20; i++) {
        const answered = await object.authorize(
          { hash: app.hash, key: "k", method: "GET", path: "/", overridden: false, ...ORIGIN },
          [],
        );
        if (answered.ok) object.settle([{ seq: answered.value.seq, outcome: "ok" }]);
      }
      const queries = write.mock.calls
        .map(([query]) => query)
        .filter((query) => /(INSERT|REPLACE).*baseline/.test(query));
      write.mockRestore();
      return queries;
    });
    expect(written).toEqual([]);
    await runAlarmAfter(vault, BATCH_WAIT_MS);
    expect(await stored(vault, app)).toMatchObject({ minute: { count: 20 }, failures: { calls: 20, errors: 0 } });
    expect(await sql(vault, "SELECT actor FROM baseline")).toEqual([{ actor: app.id }]);
  });

  it("goes on where it was after a sleep", async () => {
    const { vault, app } = await vaultWithKey();
    vi.setSystemTime(Math.ceil(Date.now() / HOUR_MS) * HOUR_MS);
    for (let i = 0; i < 3; i++) await authorize(vault, app, "k");
    await runAlarmAfter(vault, BATCH_WAIT_MS + 15_000);
    await evict(vault);
    for (let i = 0; i < 4; i++) await authorize(vault, app, "k");
    await runAlarmAfter(vault, BATCH_WAIT_MS + 15_000);
    expect((await stored(vault, app))?.hour.count).toBe(7);
  });
});
