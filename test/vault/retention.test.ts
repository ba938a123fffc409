import { env } from "cloudflare:workers";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { archivedRows } from "../../src/directory/audit.ts";
import { filterSql, passes, type ActivityFilter } from "../../src/vault/audit/activity_filter.ts";
import { ask } from "../../src/vault/answer.ts";
import { readVault } from "../../src/vault/account/vault_row.ts";
import { Audit } from "../../src/vault/audit/audit.ts";
import type { AuditRow } from "../../src/vault/audit/row.ts";
import { counted, longLog } from "../support/long_log.ts";
import { checkChain } from "../support/chain.ts";
import { checkpointOf, retain } from "../../src/vault/audit/retention.ts";
import { advance, BEGINNING, pack, unpack } from "../../src/vault/audit/segments.ts";
import {
  type Vault,
  archive,
  authorize,
  CALLED,
  callAndSettle,
  inside,
  mintApp,
  newVault,
  runAlarm,
  runAlarmAfter,
  signIn,
  storeKey,
  travel,
  wholeLog,
} from "../support/vault.ts";

const DAY_MS = 86_400_000;

/** A vault with `calls` settled calls, all of them in D1. */
async function busyVault(calls: number): Promise<Vault> {
  const vault = await newVault();
  await storeKey(vault, "k");
  const app = await mintApp(vault);
  await callAndSettle(vault, app, calls);
  await runAlarmAfter(vault, 11_000);
  while ((await wholeLog(vault)).rows.length > (await archive(vault)).length) await runAlarm(vault);
  return vault;
}

/** The log of a vault whose log is empty. */
function newLog(storage: SqlStorage): Audit {
  storage.exec("DELETE FROM audit");
  storage.exec("UPDATE vault SET head_seq = 0, head_hash = '', outcome_seq = 0, outcome_hash = ''");
  const audit = new Audit(storage, () => {});
  audit.load(readVault(storage));
  return audit;
}

async function everything({ id }: Vault): Promise<AuditRow[]> {
  const { rows } = await archivedRows(env.DB, id, Number.MAX_SAFE_INTEGER, 10_000, {});
  return rows;
}

const segments = ({ id }: Vault) =>
  env.DB.prepare("SELECT count(*) AS n FROM audit_segment WHERE vault_id = ?").bind(id).first("n");

describe("retention", () => {
  it("rows are packed after 30 days, and every one is still found, in order", async () => {
    const vault = await busyVault(600);
    const before = await everything(vault);
    const { heads } = await wholeLog(vault);
    travel(31 * DAY_MS);
    await retain(env.DB, vault.id, Date.now());
    expect(await segments(vault)).toBe(1);
    expect(await archive(vault)).toHaveLength(before.length - 500);
    expect(await everything(vault)).toEqual(before);
    expect(checkChain(before, heads)).toEqual({ rows: before.length, fault: undefined });
  });

  it("of very many rows goes on go by go, each with no more questions to D1 than one invocation may ask", async () => {
    const { vault } = await longLog(60_000);
    const sum = "SELECT count(*) AS n, max(seq) AS last FROM audit WHERE vault_id = ?";
    const before = await env.DB.prepare(sum).bind(vault.id).first<{ n: number; last: number }>();
    const go = async (now: number) => {
      const once = counted(env);
      const again = await retain(once.env.DB, vault.id, now);
      expect(once.statements()).toBeLessThan(500);
      return again;
    };
    const packing = Date.now() + 31 * DAY_MS;
    expect(await go(packing)).toBe(packing);
    expect(await segments(vault)).toBe(100);
    expect(await go(packing)).toBeGreaterThan(packing);
    expect(await segments(vault)).toBe(Math.floor((before?.n ?? 0) / 500));
    const purging = Date.now() + 366 * DAY_MS;
    expect(await go(purging)).toBe(purging);
    while ((await go(purging)) === purging);
    expect(await segments(vault)).toBe(0);
    expect(await checkpointOf(env.DB, vault.id)).toMatchObject({ head_seq: before?.last });
  });

  it("a few rows wait for company, but not for ever", async () => {
    const vault = await busyVault(5);
    travel(31 * DAY_MS);
    expect(await retain(env.DB, vault.id, Date.now())).toBeGreaterThan(Date.now() + 20 * DAY_MS);
    expect(await segments(vault)).toBe(0);
    travel(30 * DAY_MS);
    await retain(env.DB, vault.id, Date.now());
    expect(await segments(vault)).toBe(1);
  });

  it("the vault does it by its own alarm", async () => {
    const vault = await busyVault(3);
    await runAlarmAfter(vault, 31 * DAY_MS);
    await runAlarmAfter(vault, 30 * DAY_MS);
    expect(await segments(vault)).toBe(1);
    await runAlarmAfter(vault, 340 * DAY_MS);
    expect(await segments(vault)).toBe(0);
    expect(await everything(vault)).toEqual([]);
  });

  it("after twelve months rows go, and the chain is still checked from the checkpoint on", async () => {
    const vault = await busyVault(30);
    travel(61 * DAY_MS);
    await retain(env.DB, vault.id, Date.now());
    travel(320 * DAY_MS);
    vault.ada = await signIn(vault.stub, vault.account_id);
    const app = await mintApp(vault);
    const { seq } = await authorize(vault, app, "k");
    await ask(vault.stub.settle([{ seq, outcome: "ok" }]));
    await runAlarmAfter(vault, 11_000);
    await retain(env.DB, vault.id, Date.now());
    const { rows, heads } = await wholeLog(vault);
    expect(rows.length).toBeLessThan(5);
    const from = await checkpointOf(env.DB, vault.id);
    expect(checkChain(rows, heads, { from }).fault).toBeUndefined();
    expect(checkChain(rows, heads).fault).toMatch(/is missing/);
    expect(checkChain(rows.slice(0, -1), heads, { from }).fault).toMatch(/is missing/);
  });

  it("whatever order calls end in, the checkpoint carries the chain over the cut", async () => {
    const vault = await newVault();
    await inside(vault, (_vault, { storage }) => {
      fc.assert(
        fc.property(fc.shuffledSubarray([...Array(20).keys()], { minLength: 20 }), fc.nat(20), (order, cut) => {
          const audit = newLog(storage.sql);
          for (let i = 0; i < 20; i++) audit.append(CALLED, i);
          for (const i of order) audit.settle(i + 1, { outcome: "ok" }, 100);
          const rows = audit.whole(100);
          const from = advance(advance(BEGINNING, rows.slice(0, cut >> 1)), rows.slice(cut >> 1, cut));
          expect(checkChain(rows.slice(cut), audit.heads, { from }).fault).toBeUndefined();
        }),
        { numRuns: 100 },
      );
    });
  });

  it("a gap that a restore has left is carried over the cut, wherever it lies", async () => {
    const vault = await newVault();
    await inside(vault, (_vault, { storage }) => {
      const audit = newLog(storage.sql);
      for (let i = 1; i <= 8; i++) audit.append(CALLED, i);
      for (const i of [1, 8, 5, 4, 2, 7]) audit.settle(i, { outcome: "ok" }, 100);
      // The row of the second and third end is gone, and so are those ends.
      const gone = audit.whole(100).filter(({ seq }) => seq === 8 || seq === 5);
      const [before] = audit.at(1);
      const lost = { rows: [], outcomes: [{ first: 2, last: 3, prev: before?.outcome_hash ?? "" }] };
      audit.append({ ...CALLED, action: "vault.restored", outcome: "ok", lost }, 9);
      for (const i of [3, 6]) audit.settle(i, { outcome: "ok" }, 100);
      const rows = audit
        .whole(100)
        .map((row) => (gone.some(({ seq }) => seq === row.seq) ? { ...row, outcome: null, outcome_hash: null } : row));
      expect(rows).toHaveLength(9);
      for (let cut = 0; cut <= 9; cut++) {
        const from = advance(advance(BEGINNING, rows.slice(0, cut >> 1)), rows.slice(cut >> 1, cut));
        expect(checkChain(rows.slice(cut), audit.heads, { from }).fault).toBeUndefined();
      }
      expect(advance(BEGINNING, rows)).toMatchObject({ beyond: [], lost: [] });
    });
  });

  it("a segment gives back what went in, to the letter", async () => {
    const vault = await busyVault(20);
    const rows = (await everything(vault)).toReversed();
    const { packed, subjects, first_seq, last_seq } = await pack(rows);
    expect(await unpack(packed)).toEqual(rows);
    expect([first_seq, last_seq]).toEqual([1, rows.length]);
    expect(subjects).toContain("k");
  });
});

describe("a filter", () => {
  it("means the same in SQL and in code", async () => {
    const vault = await busyVault(10);
    const app = await mintApp(vault, { methods: ["GET"] });
    await authorize(vault, app, "k", { method: "POST" }).catch(() => {});
    await runAlarmAfter(vault, 11_000);
    const rows = await everything(vault);
    const texts = rows.flatMap(({ decision }) => {
      const { actor, key, key_name, subject, action, at, ip } = JSON.parse(decision);
      return [actor.id, key, key_name, subject, action, at, ip].filter(Boolean) as string[];
    });
    const value = fc.constantFrom(
      "ok",
      "refused",
      "pending",
      "refused,pending",
      "o,k",
      "nothing",
      "custom",
      "NZ",
      "K",
      ...texts,
    );
    const names = ["key", "token", "action", "outcome", "provider", "country", "ip", "since", "until", "q"] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 3 }),
        async (filter: ActivityFilter) => {
          const { where, values } = filterSql(filter);
          const { results } = await env.DB.prepare(
            `SELECT seq FROM audit WHERE vault_id = ? AND ${where} ORDER BY seq DESC`,
          )
            .bind(vault.id, ...values)
            .all<{ seq: number }>();
          expect(results.map(({ seq }) => seq)).toEqual(
            rows.filter((row) => passes(filter, row)).map(({ seq }) => seq),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it("finds in packed rows what it found in young ones", async () => {
    const vault = await busyVault(40);
    const { rows: young } = await archivedRows(env.DB, vault.id, Number.MAX_SAFE_INTEGER, 100, {
      key: "k",
      action: "proxy.call",
    });
    travel(61 * DAY_MS);
    await retain(env.DB, vault.id, Date.now());
    expect(await segments(vault)).toBe(1);
    const { rows: packed } = await archivedRows(env.DB, vault.id, Number.MAX_SAFE_INTEGER, 100, {
      key: "k",
      action: "proxy.call",
    });
    expect(packed).toEqual(young);
    expect((await archivedRows(env.DB, vault.id, 20, 5, {})).rows.map(({ seq }) => seq)).toEqual([19, 18, 17, 16, 15]);
    expect((await archivedRows(env.DB, vault.id, Number.MAX_SAFE_INTEGER, 100, { key: "another" })).rows).toEqual([]);
  });

  it("finds page after page what there is, however little of it one page may look at", async () => {
    const at = (seq: number) => 1_700_000_000_000 + seq * 20 * 60_000;
    const rowOf = (seq: number): AuditRow => {
      const actor = { kind: "app", id: `tok_${seq % 7}`, name: "t" };
      const decision = JSON.stringify({ seq, actor, at: new Date(at(seq)).toISOString(), action: "proxy.call" });
      return { seq, decision, hash: `h${seq}`, outcome: null, outcome_hash: null };
    };
    let vaults = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 60 }),
        fc.nat(100),
        fc.record(
          { token: fc.constantFrom("tok_1", "tok_2"), since: fc.nat(150), until: fc.nat(150) },
          { requiredKeys: [] },
        ),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
        async (seqs, share, { token, since, until }, looks, allowed) => {
          let asked = 0;
          const further = () => Promise.resolve(allowed[asked++ % allowed.length] === true);
          const vault_id = `looked_through_${vaults++}`;
          const rows = seqs.toSorted((a, b) => a - b).map(rowOf);
          // The oldest of those that are packed, but for one that came too late for it.
          const packed = rows.slice(1, Math.floor((rows.length * share) / 100));
          const young = rows.filter((row) => !packed.includes(row));
          const insert = env.DB.prepare(
            "INSERT INTO audit_segment (vault_id, first_seq, last_seq, last_at, subjects, packed) VALUES (?, ?, ?, ?, ?, ?)",
          );
          for (let of = 0; of < packed.length; of += 5) {
            const { subjects, packed: bytes, ...ends } = await pack(packed.slice(of, of + 5));
            const { first_seq, last_seq, last_at } = ends;
            await insert.bind(vault_id, first_seq, last_seq, last_at, JSON.stringify(subjects), bytes).run();
          }
          await env.DB.prepare(
            `INSERT INTO audit (vault_id, seq, at, decision, hash) SELECT ?1, value ->> 'seq', ?2 + (value ->> 'seq') * ?3,
             value ->> 'decision', value ->> 'hash' FROM json_each(?4)`,
          )
            .bind(vault_id, at(0), at(1) - at(0), JSON.stringify(young))
            .run();
          const time = (seq: number | undefined) => (seq === undefined ? undefined : new Date(at(seq)).toISOString());
          const filter = { token, since: time(since), until: time(until) };
          const found: number[] = [];
          for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined;) {
            const page = await archivedRows(env.DB, vault_id, before, 4, filter, { looks, further });
            const shown = page.rows.filter(({ seq }) => seq >= (page.resume ?? 0));
            found.push(...shown.map(({ seq }) => seq));
            const next: number | undefined = shown.length < 4 ? page.resume : shown.at(-1)?.seq;
            expect(next ?? 0).toBeLessThan(before);
            before = next;
          }
          expect(found).toEqual(
            rows
              .filter((row) => passes(filter, row))
              .map(({ seq }) => seq)
              .toReversed(),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});
