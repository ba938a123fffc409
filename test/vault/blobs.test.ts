import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import {
  type App,
  type Vault,
  authorize,
  evict,
  inside,
  mintApp,
  newVault,
  outbox,
  refusalOf,
  runAlarmAfter,
  sql,
  storeKey,
  travel,
} from "../support/vault.ts";

const DAY_MS = 86_400_000;

function kept(vault: Vault): Promise<{ kept: number }[]> {
  return sql(vault, "SELECT sealed IS NOT NULL AS kept FROM key_version");
}

/** Sleeps until whatever comes next and lets it happen, several times. */
async function days(vault: Vault, count: number): Promise<void> {
  for (let day = 0; day < count; day++) for (let turn = 0; turn < 3; turn++) await runAlarmAfter(vault, DAY_MS / 3 + 1);
}

/** How the last call of the vault ended, as its row says. */
async function lastRow(vault: Vault) {
  const row = (await outbox(vault)).findLast(({ decision }) => decision.action === "proxy.call");
  return { pending: row?.pending, outcome: row?.outcome?.outcome, rule: row?.outcome?.rule };
}

async function vaultWithKey(): Promise<{ vault: Vault; app: App; blob: string }> {
  const vault = await newVault();
  const key = await storeKey(vault, "k");
  return { vault, app: await mintApp(vault), blob: `${vault.id}/${key.id}/1` };
}

describe("the sealed blob that the vault keeps at hand", () => {
  it("serves a key that KV does not show yet", async () => {
    const { vault, app, blob } = await vaultWithKey();
    await env.BLOBS.delete(blob);
    await evict(vault);
    expect((await authorize(vault, app, "k")).secret).toEqual({ secret: "sk-k" });
  });

  it("goes after a day, when KV surely has it, and KV serves the key from then on", async () => {
    const { vault, app } = await vaultWithKey();
    await runAlarmAfter(vault, DAY_MS - 60_000);
    expect(await kept(vault)).toEqual([{ kept: 1 }]);
    await days(vault, 1);
    expect(await kept(vault)).toEqual([{ kept: 0 }]);
    await evict(vault);
    expect((await authorize(vault, app, "k")).secret).toEqual({ secret: "sk-k" });
  });

  it("stays for as long as KV lacks it, and goes once KV has it", async () => {
    const { vault, app, blob } = await vaultWithKey();
    const bytes = (await env.BLOBS.get(blob, "arrayBuffer")) as ArrayBuffer;
    await env.BLOBS.delete(blob);
    await days(vault, 3);
    expect(await kept(vault)).toEqual([{ kept: 1 }]);
    await evict(vault);
    expect((await authorize(vault, app, "k")).secret).toEqual({ secret: "sk-k" });
    await env.BLOBS.put(blob, bytes);
    await days(vault, 1);
    expect(await kept(vault)).toEqual([{ kept: 0 }]);
  });

  it("stays while KV cannot be reached", async () => {
    const { vault } = await vaultWithKey();
    const down = vi.spyOn(env.BLOBS, "get").mockRejectedValue(new Error("KV is down"));
    vi.spyOn(console, "error").mockReturnValue();
    await days(vault, 2);
    expect(await kept(vault)).toEqual([{ kept: 1 }]);
    down.mockRestore();
    await days(vault, 1);
    expect(await kept(vault)).toEqual([{ kept: 0 }]);
  });
});

describe("when KV fails", () => {
  it.each([
    ["cannot be reached", () => vi.spyOn(env.BLOBS, "get").mockRejectedValue(new Error("KV is down"))],
    ["shows nothing yet", () => vi.spyOn(env.BLOBS, "get").mockResolvedValue(null as never)],
  ])("and %s, a call gets 503, its row says so, and nothing is lost", async (_how, breakIt) => {
    const { vault, app } = await vaultWithKey();
    await sql(vault, "UPDATE key_version SET sealed = NULL");
    await evict(vault);
    const down = breakIt();
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("unavailable");
    expect(await lastRow(vault)).toEqual({ pending: false, outcome: "failed", rule: "unavailable" });
    down.mockRestore();
    expect((await authorize(vault, app, "k")).secret).toEqual({ secret: "sk-k" });
  });

  it("for good, the row of the call that found out is failed too", async () => {
    const { vault, app, blob } = await vaultWithKey();
    await sql(vault, "UPDATE key_version SET sealed = NULL");
    await evict(vault);
    await env.BLOBS.delete(blob);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("unavailable");
    expect(await lastRow(vault)).toEqual({ pending: false, outcome: "failed", rule: "unavailable" });
  });

  it("while a key is stored, there is no such key afterwards", async () => {
    const { vault } = await vaultWithKey();
    const down = vi.spyOn(env.BLOBS, "put").mockRejectedValue(new Error("KV is down"));
    expect(await refusalOf(storeKey(vault, "second"))).toBe("unavailable");
    down.mockRestore();
    expect(await sql(vault, "SELECT name FROM api_key")).toEqual([{ name: "k" }]);
    await storeKey(vault, "second");
  });

  it("while a name's loser takes its blob back, the refusal is still the name's", async () => {
    const { vault } = await vaultWithKey();
    vi.spyOn(env.BLOBS, "delete").mockRejectedValue(new Error("KV is down"));
    vi.spyOn(console, "error").mockReturnValue();
    const answers = await Promise.all([refusalOf(storeKey(vault, "same")), refusalOf(storeKey(vault, "same"))]);
    expect(answers.toSorted()).toEqual(["accepted", "conflict"]);
  });
});

describe("a secret that was opened", () => {
  it("stays in memory until the object sleeps: KV is not asked twice", async () => {
    const { vault, app } = await vaultWithKey();
    await sql(vault, "UPDATE key_version SET sealed = NULL");
    await evict(vault);
    const get = vi.spyOn(env.BLOBS, "get");
    await authorize(vault, app, "k");
    const asked = get.mock.calls.length;
    expect(asked).toBeGreaterThan(0);
    for (let i = 0; i < 5; i++) await authorize(vault, app, "k");
    expect(get.mock.calls.length).toBe(asked);
    await evict(vault);
    await authorize(vault, app, "k");
    expect(get.mock.calls.length).toBe(2 * asked);
  });

  it("takes at most 4 MiB of them: more than fit are opened again, all correctly", async () => {
    const { vault, app } = await vaultWithKey();
    const filler = "x".repeat(60 * 1024);
    for (let i = 0; i < 80; i++) await storeKey(vault, `big-${i}`, `${i}-${filler}`);
    await inside(vault, (_vault, { storage }) => void storage.sql.exec("UPDATE key_version SET sealed = NULL"));
    const get = vi.spyOn(env.BLOBS, "get");
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 80; i++) {
        const { secret } = await authorize(vault, app, `big-${i}`);
        expect(secret.secret?.startsWith(`${i}-`)).toBe(true);
      }
    }
    const opened = get.mock.calls.filter(([name]) => String(name).includes("/key_")).length;
    expect(opened).toBeGreaterThan(80);
  });
});

it("a vault's clock may jump: a key that expires is refused from that moment on", async () => {
  const { vault, app } = await vaultWithKey();
  await sql(vault, "UPDATE api_key SET expires_at = ?", Date.now() + 5_000);
  await evict(vault);
  const { not_after } = await authorize(vault, app, "k");
  expect(not_after).toBeGreaterThan(Date.now());
  travel(5_001);
  expect(await refusalOf(authorize(vault, app, "k"))).toBe("policy_denied key_expired");
});
