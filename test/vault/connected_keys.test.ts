import { beforeEach, describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import type { UserVault } from "../../src/vault/vault.ts";
import {
  evict,
  inside,
  outbox,
  refusalOf,
  runAlarm,
  runAlarmAfter,
  sql,
  travel,
  type Vault,
} from "../support/vault.ts";
import { connectedVault, connectionOf, DESTINATION, TokenProvider } from "../support/token_provider.ts";

const HOUR_MS = 3_600_000;

let provider: TokenProvider;

beforeEach(() => {
  provider = TokenProvider.standIn();
});

describe("a key that renews itself", () => {
  it("shows what it has until shortly before its end, and then one renewal serves however many ask", async () => {
    const { use } = await connectedVault();
    expect(await use()).toBe("access-2");
    expect(await use()).toBe("access-2");
    expect(provider.asked).toBe(1);
    travel(HOUR_MS);
    expect(new Set(await Promise.all(Array.from({ length: 100 }, use)))).toEqual(new Set(["access-3"]));
    expect(provider.asked).toBe(2);
    expect(provider.dead).toBe(false);
  });

  it("has a new refresh token on disk before anybody is shown the access token that came with it", async () => {
    const { vault, use } = await connectedVault();
    for (let n = 2; n < 6; n++) {
      expect(await use()).toBe(`access-${n}`);
      await evict(vault);
      expect(await use()).toBe(`access-${n}`);
      travel(HOUR_MS);
    }
    expect(provider.dead).toBe(false);
    const stored = JSON.stringify(await sql(vault, "SELECT hex(sealed) AS sealed FROM connection"));
    for (const text of ["access-", "refresh-"])
      expect(stored).not.toContain(Buffer.from(text).toString("hex").toUpperCase());
  });

  it("is renewed by the alarm ahead of its end where it is in use, and left alone where it is not", async () => {
    const { vault, use } = await connectedVault();
    await use();
    travel(1_000);
    await use();
    // Uses are counted when their rows leave, and a call that nobody settles is given up before that.
    for (let n = 0; n < 3; n++) await runAlarmAfter(vault, 20_000);
    expect(provider.asked).toBe(1);
    await runAlarmAfter(vault, HOUR_MS - 120_000);
    expect(provider.asked).toBe(2);
    travel(HOUR_MS - 60_000);
    await runAlarm(vault);
    expect(provider.asked).toBe(2);
    expect(await use()).toBe("access-4");
  });

  it("is renewed as long before its end as its provider needs, where its placement says so", async () => {
    const placement = { ...DESTINATION.placement, renew_before_s: 1_200 };
    const { use } = await connectedVault({ ...DESTINATION, placement });
    await use();
    travel(HOUR_MS - 1_210_000);
    expect(await use()).toBe("access-2");
    travel(20_000);
    expect(await use()).toBe("access-3");
  });

  it("keeps the refresh token that it has where the answer brings none", async () => {
    const { vault, use } = await connectedVault();
    provider.says = { refresh_token: undefined };
    expect(await use()).toBe("access-2");
    travel(HOUR_MS);
    // The strict provider has moved on to another one, and takes the old one for a thief's.
    expect(await refusalOf(use())).toBe("reconnect_required reconnect_required");
    expect((await connectionOf(vault))?.trouble).toBe("invalid_grant");
  });

  it.each([
    ["absent", undefined, 3_600],
    ["a text", "7200", 7_200],
    ["nothing", 0, 3_600],
    ["negative", -5, 3_600],
    ["an hour of nonsense", "soon", 3_600],
    ["a second", 1, 30],
    ["for ever", 1e12, 90 * 86_400],
  ])("takes an expires_in that is %s for what it can be", async (_what, expires_in, seconds) => {
    const { vault, use } = await connectedVault();
    provider.says = { expires_in };
    vi.setSystemTime(Date.now());
    await use();
    const { obtained_at = 0, expires_at } = (await connectionOf(vault)) ?? {};
    expect(((expires_at ?? 0) - obtained_at) / 1_000).toBeCloseTo(seconds, 1);
  });
});

describe("a provider in trouble", () => {
  it.each<[string, () => Promise<Response> | Response, string]>([
    ["that cannot be reached", () => Promise.reject(new TypeError("network")), "unreachable"],
    ["that never answers", () => Promise.reject(new DOMException("late", "TimeoutError")), "unreachable"],
    ["that fails", () => new Response("oops", { status: 500 }), "status_500"],
    ["that is busy", () => new Response(null, { status: 429, headers: { "retry-after": "7" } }), "status_429"],
    ["that sends us elsewhere", () => Response.redirect("https://evil.example/token", 302), "status_302"],
    ["that answers with a page", () => new Response("<html>", { status: 200 }), "answer_without_token"],
    ["that answers half", () => new Response(`{"access_token":"a`, { status: 200 }), "answer_without_token"],
    [
      "whose token would break out of its header",
      () => Response.json({ access_token: "a\r\nx: y" }),
      "answer_without_token",
    ],
    ["that answers without end", () => new Response("x".repeat(300_000), { status: 200 }), "answer_without_token"],
  ])("%s costs nothing: it is told as ours, left alone for a while, and asked again", async (_what, fault, trouble) => {
    const { vault, use } = await connectedVault();
    provider.faults.push(fault);
    expect(await refusalOf(use())).toBe("unavailable");
    expect(await connectionOf(vault)).toMatchObject({ failures: 1, trouble });
    const { asked } = provider;
    expect(await refusalOf(use())).toBe("unavailable");
    expect(provider.asked).toBe(asked);
    travel(10_000);
    expect(await use()).toBe("access-2");
    expect(await connectionOf(vault)).toMatchObject({ failures: 0, trouble: null });
  });

  it("does not take away a token that still lives", async () => {
    const { use } = await connectedVault();
    await use();
    travel(HOUR_MS - 100_000);
    provider.faults.push(() => new Response(null, { status: 500 }));
    expect(await use()).toBe("access-2");
    expect(provider.asked).toBe(2);
  });

  it("is asked ever more seldom, and by nobody but callers in the end", async () => {
    const { vault, use } = await connectedVault();
    for (let n = 0; n < 12; n++) provider.faults.push(() => new Response(null, { status: 500 }));
    for (let n = 0; n < 12; n++) {
      await refusalOf(use());
      travel(301_000);
    }
    const { asked } = provider;
    expect(asked).toBe(12);
    await runAlarm(vault);
    expect(provider.asked).toBe(asked);
    expect(await use()).toBe("access-2");
  });
});

describe("what happens meanwhile", () => {
  /** Does something in the vault itself while the provider is being asked. */
  async function meanwhile(
    vault: Vault,
    work: (inside: UserVault, storage: DurableObjectStorage) => unknown,
  ): Promise<void> {
    const [object, storage] = await inside(vault, (one, context) => [one, context.storage] as const);
    provider.faults.push(async (question) => {
      await work(object, storage);
      return provider.grant(question);
    });
  }

  it("a key that is paused while it is renewed shows its new token to nobody, and goes on with it later", async () => {
    const { vault, use } = await connectedVault();
    await meanwhile(vault, (object) => object.pauseKey(vault.ada, "k"));
    expect(await refusalOf(use())).toBe("paused key_paused");
    await ask(vault.stub.resumeKey(vault.ada, "k"));
    expect(await use()).toBe("access-2");
    expect(provider.dead).toBe(false);
  });

  it("a key that is deleted while it is renewed leaves nothing of what was granted", async () => {
    const { vault, use } = await connectedVault();
    await meanwhile(vault, (object) => object.deleteKey(vault.ada, "k"));
    expect(await refusalOf(use())).toBe("not_found keys");
    expect(await sql(vault, "SELECT * FROM connection")).toEqual([]);
  });

  it("a key that goes elsewhere while it is renewed takes nothing along of what was granted here", async () => {
    const { vault, use } = await connectedVault();
    await meanwhile(vault, (object) => {
      const destination = { ...DESTINATION, origin: "https://other.example" };
      return object.rotateKey(vault.ada, "k", { destination, secret: { client_id: "d" }, overlap_ms: 0 });
    });
    expect(await refusalOf(use())).toMatch(/^(conflict|unavailable|reconnect_required)/);
    expect(await sql(vault, "SELECT * FROM connection")).toEqual([]);
    expect(await refusalOf(use())).toBe("reconnect_required reconnect_required");
  });

  it("every asking has its row before it is asked, with how it ended", async () => {
    const { vault, use } = await connectedVault();
    let before: unknown[] = [];
    await meanwhile(vault, (_object, { sql }) => {
      before = sql
        .exec("SELECT 1 FROM audit WHERE pending = 1 AND decision ->> '$.action' = 'connection.renew'")
        .toArray();
    });
    await use();
    expect(before).toHaveLength(1);
    const row = (await outbox(vault)).find(({ decision }) => decision.action === "connection.renew");
    expect(row).toMatchObject({ pending: false, outcome: { outcome: "ok" } });
    expect(row?.decision.actor.kind).toBe("vault");
  });
});
