import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { DIRECTORY_TABLES } from "../../src/vault/account/deletion.ts";
import { held } from "../../src/vault/surface.ts";
import { cutFor, openLeash } from "../support/leash.ts";
import { newRotating, refreshWith } from "../support/refresh.ts";
import {
  ADA,
  ORIGIN,
  type Vault,
  authorize,
  evict,
  inside,
  mintApp,
  newVault,
  refusalOf,
  runAlarmAfter,
  sql,
  storeKey,
  travel,
} from "../support/vault.ts";

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
});

/** A vault with something of everything, in every store. */
async function lived(): Promise<Vault> {
  const vault = await newVault();
  await env.DB.batch([
    env.DB.prepare("INSERT INTO account (id, vault_id, created_at) VALUES (?, ?, 1)").bind(vault.account_id, vault.id),
    env.DB.prepare("INSERT INTO identity (issuer, subject, account_id, vault_id) VALUES ('i', ?1, ?2, ?1)").bind(
      vault.id,
      vault.account_id,
    ),
    env.DB.prepare("INSERT INTO audit_checkpoint (vault_id, checkpoint) VALUES (?, '{}')").bind(vault.id),
    env.DB.prepare(
      "INSERT INTO audit_segment (vault_id, first_seq, last_seq, last_at, subjects, packed) VALUES (?, 0, 0, 0, '[]', x'00')",
    ).bind(vault.id),
  ]);
  await env.DB.prepare(
    `INSERT INTO device_login (code_hash, user_code_hash, name, platform, ip, country, created_at, expires_at, interval_ms, vault_id)
     VALUES (?1, ?1, '', '', '', '', 1, 1, 1, ?1)`,
  )
    .bind(vault.id)
    .run();
  await storeKey(vault, "k");
  await storeKey(vault, "other");
  await newRotating(vault);
  await runAlarmAfter(vault, 10_001);
  return vault;
}

const recent = ({ ada }: Vault) => ({ ...ada, may: ["session_recent"] as const });

function deleteAccount(vault: Vault) {
  return ask(vault.stub.deleteAccount(recent(vault)));
}

/** Everything that any store has of a vault. */
async function remains({ id, stub }: Vault) {
  const { keys } = await env.BLOBS.list({ prefix: id });
  const rows = await Promise.all(
    DIRECTORY_TABLES.map(async (table) => {
      const { results } = await env.DB.prepare(`SELECT 1 FROM ${table} WHERE vault_id = ?`).bind(id).all();
      return results.length > 0 ? [table] : [];
    }),
  );
  const inside = await runInDurableObject(stub, async (_vault, { storage }) => ({
    tables: storage.sql.exec("SELECT name FROM sqlite_master").toArray().length,
    alarm: await storage.getAlarm(),
  }));
  return { blobs: keys.map(({ name }) => name), rows: rows.flat(), ...inside };
}

const NOTHING = { blobs: [], rows: [], tables: 0, alarm: null };

/** Lets the alarm do what is left, however often it needs to. */
async function goOn({ stub }: Vault): Promise<void> {
  for (let round = 0; round < 10 && (await runDurableObjectAlarm(stub)); round++) travel(10 * 60_000);
}

describe("deleting an account", () => {
  it("leaves nothing in the object, in KV or in D1 but a tombstone that names nobody", async () => {
    const [vault, neighbour] = [await lived(), await lived()];
    const before = await remains(vault);
    expect(before.rows).toEqual([...DIRECTORY_TABLES]);
    expect(before.blobs.length).toBeGreaterThan(2);
    const receipt = await deleteAccount(vault);
    expect(receipt).toMatchObject({ id: vault.account_id, streams_cut: 0 });
    expect(await remains(vault)).toEqual(NOTHING);
    const tombstone = await env.DB.prepare("SELECT * FROM tombstone WHERE vault_id = ?").bind(vault.id).first();
    expect(tombstone).toEqual({ vault_id: vault.id, at: expect.any(Number), finished_at: expect.any(Number) });
    expect(await remains(neighbour)).toMatchObject({ rows: [...DIRECTORY_TABLES] });
  });

  it("of a log of very many rows and segments goes on alarm by alarm, with no statement for all of them", async () => {
    const vault = await lived();
    await env.DB.prepare(
      `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 10050)
       INSERT INTO audit_segment (vault_id, first_seq, last_seq, last_at, subjects, packed) SELECT ?, n, n, 0, '[]', x'00' FROM n`,
    )
      .bind(vault.id)
      .run();
    await deleteAccount(vault);
    expect((await remains(vault)).rows).toEqual(["audit", "audit_segment"]);
    await goOn(vault);
    expect(await remains(vault)).toEqual(NOTHING);
  });

  it("knows every table of D1 that has rows of a vault or an account", async () => {
    const { results } = await env.DB.prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND (sql LIKE '%vault_id%' OR sql LIKE '%account_id%') ORDER BY 1",
    ).all<{ name: string }>();
    const known = [...DIRECTORY_TABLES, "tombstone"].toSorted();
    expect(results.map(({ name }) => name)).toEqual(known);
  });

  it("stops everything in the step that decides: tokens, refreshes, sessions, open streams", async () => {
    const vault = await lived();
    const app = await mintApp(vault);
    const rotating = await newRotating(vault);
    const leash = await openLeash(vault, await authorize(vault, app, "k"));
    await leash.next;
    const receipt = await deleteAccount(vault);
    expect(receipt).toMatchObject({ streams_cut: 1, in_flight: 0 });
    expect(await leash.closed).toEqual(cutFor("revoked"));
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("invalid_token");
    expect(await refusalOf(refreshWith(vault, rotating))).toBe("invalid_token");
    expect(await refusalOf(ask(vault.stub.me(vault.ada)))).toBe("invalid_token");
    expect(await refusalOf(ask(vault.stub.signIn(vault.account_id, ADA, ORIGIN)))).toBe("gone");
    expect(await remains(vault)).toEqual(NOTHING);
  });

  it("needs a sign-in of the last ten minutes", async () => {
    const vault = await lived();
    travel(11 * 60_000);
    expect(await refusalOf(deleteAccount(vault))).toBe("insufficient_scope");
    expect((await remains(vault)).rows).toEqual([...DIRECTORY_TABLES]);
  });
});

describe("a deletion that is broken off", () => {
  const failing = {
    "D1 is away": () =>
      vi.spyOn(env.DB, "prepare").mockImplementation(() => {
        throw new Error("D1 is away");
      }),
    "KV deletes nothing": () => vi.spyOn(env.BLOBS, "delete").mockRejectedValue(new Error("KV is away")),
    "KV lists nothing": () => vi.spyOn(env.BLOBS, "list").mockRejectedValue(new Error("KV is away")),
    "the rows in D1 stay": () => vi.spyOn(env.DB, "batch").mockRejectedValue(new Error("D1 is away")),
  };
  it.each(Object.keys(failing) as (keyof typeof failing)[])(
    "because %s serves nobody meanwhile, and is finished by the alarm",
    async (what) => {
      const vault = await lived();
      const app = await mintApp(vault);
      const broken = failing[what]();
      await deleteAccount(vault);
      expect(await refusalOf(authorize(vault, app, "k"))).toBe("invalid_token");
      await evict(vault);
      expect(await refusalOf(authorize(vault, app, "k"))).toBe("invalid_token");
      expect(await refusalOf(ask(vault.stub.create(vault.account_id, ADA)))).not.toBe("accepted");
      broken.mockRestore();
      await goOn(vault);
      expect(await remains(vault)).toEqual(NOTHING);
    },
  );

  it("because an MCP session's object cannot be reached is finished once it can", async () => {
    const vault = await lived();
    await inside(vault, (object) => object[held]?.mcp_sessions.open("grt_x", Date.now()));
    const ended = vi.fn().mockRejectedValueOnce(new Error("away")).mockRejectedValueOnce(new Error("away"));
    vi.spyOn(env.MCP_SESSION, "getByName").mockReturnValue({ end: ended } as never);
    await deleteAccount(vault);
    expect((await remains(vault)).tables).toBeGreaterThan(0);
    await goOn(vault);
    expect(ended).toHaveBeenCalledTimes(3);
    expect(await remains(vault)).toEqual(NOTHING);
  });

  it("closes the share although D1 is away: no blob can be opened from that moment", async () => {
    const vault = await lived();
    failing["D1 is away"]();
    await deleteAccount(vault);
    vi.restoreAllMocks();
    vi.spyOn(console, "error").mockReturnValue();
    expect((await env.BLOBS.list({ prefix: `${vault.id}/share/` })).keys).toEqual([]);
    expect((await env.BLOBS.list({ prefix: `${vault.id}/` })).keys).not.toEqual([]);
    await goOn(vault);
    expect(await remains(vault)).toEqual(NOTHING);
  });

  it("by a crash right after it was decided is finished by the alarm", async () => {
    const vault = await lived();
    const hanging = vi.spyOn(env.BLOBS, "delete").mockReturnValue(new Promise(() => {}));
    const asked = vault.stub.deleteAccount(recent(vault)).catch((fault: unknown) => fault);
    while (hanging.mock.calls.length === 0) await scheduler.wait(1);
    await inside(vault, (_vault, state) => state.abort("crash")).catch(() => {});
    await asked;
    hanging.mockRestore();
    vault.stub = env.USER_VAULT.getByName(vault.id);
    expect(await sql(vault, "SELECT deleting_at IS NULL AS lives FROM vault")).toEqual([{ lives: 0 }]);
    await goOn(vault);
    expect(await remains(vault)).toEqual(NOTHING);
  });

  it("lets no row that was still on its way come to D1 afterwards", async () => {
    const send = vi.spyOn(env.DB, "prepare");
    const vault = await lived();
    const ships = send.mock.calls
      .map(([text]) => text)
      .find((text) => text.startsWith("INSERT INTO audit (vault_id, seq"));
    await deleteAccount(vault);
    const row = JSON.stringify([{ seq: 99, at: 1, decision: "{}", hash: "h" }]);
    await env.DB.prepare(ships ?? "")
      .bind(vault.id, row, 99, "[]")
      .run();
    expect(await remains(vault)).toEqual(NOTHING);
  });
});
