import { beforeEach, describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { connectedVault, connectionOf, TokenProvider } from "../support/token_provider.ts";
import { evict, inside, outbox, refusalOf, runAlarm, runAlarmAfter, sql, travel } from "../support/vault.ts";

/** A provider that has taken a refresh token for another one, and an answer that does not arrive: how much of that can be helped. */
const HOUR_MS = 3_600_000;
let provider: TokenProvider;

beforeEach(() => {
  provider = TokenProvider.standIn();
});

const LOST: [string, () => Response | Promise<Response>][] = [
  ["cut off", () => Promise.reject(new TypeError("network"))],
  ["cut short", () => new Response(`{"access_token":"a`)],
  ["replaced by a gateway's", () => new Response("<html>", { status: 504 })],
];

/** The provider moves on; what it says is lost in that way. */
const loses = (answer: () => Response | Promise<Response>) => {
  provider.faults.push((question) => {
    provider.grant(question);
    return answer();
  });
};

describe("an answer that was lost", () => {
  it.each(LOST)(
    "because it was %s, from a provider that gives it again for a while: nothing is lost",
    async (_how, answer) => {
      const { vault, use } = await connectedVault();
      loses(answer);
      provider.faults.push(() =>
        Response.json({ access_token: "access-2", refresh_token: "refresh-2", expires_in: 3_600 }),
      );
      expect(await refusalOf(use())).toBe("unavailable");
      // Nobody calls, and it is asked again all the same, since that while is short.
      await runAlarmAfter(vault, 1_500);
      expect(provider.asked).toBe(2);
      expect(await use()).toBe("access-2");
      travel(HOUR_MS);
      expect(await use()).toBe("access-3");
      expect(provider.dead).toBe(false);
    },
  );

  it.each(LOST)(
    "because it was %s, from a strict provider: one more question, then the truth, for good",
    async (_how, answer) => {
      const { vault, use } = await connectedVault();
      loses(answer);
      expect(await refusalOf(use())).toBe("unavailable");
      await runAlarmAfter(vault, 1_500);
      for (let n = 0; n < 5; n++) {
        expect(await refusalOf(use())).toBe("reconnect_required reconnect_required");
        await runAlarmAfter(vault, 400_000);
      }
      expect(provider.asked).toBe(2);
      const { state, trouble, history } = (await connectionOf(vault)) ?? {};
      expect({ state, trouble }).toEqual({ state: "reconnect_required", trouble: "answer_lost" });
      expect(history?.map(({ what, detail }) => `${what} ${detail}`)[0]).toBe("reconnect_required answer_lost");
      const [alert] = (await ask(vault.stub.listAlerts(vault.ada, undefined, 10, {}))) as {
        kind: string;
        facts: object;
      }[];
      expect(alert).toMatchObject({ kind: "reconnect_required", facts: { why: "answer_lost" } });
    },
  );

  it("is not blamed where the provider said that it took nothing", async () => {
    const { vault, use } = await connectedVault();
    provider.faults.push(() => new Response(null, { status: 429 }));
    expect(await refusalOf(use())).toBe("unavailable");
    provider.dead = true;
    travel(2_000);
    expect(await refusalOf(use())).toBe("reconnect_required reconnect_required");
    expect((await connectionOf(vault))?.trouble).toBe("invalid_grant");
  });

  it("because the object fell meanwhile is asked for again as soon as it wakes", async () => {
    const { vault, use } = await connectedVault();
    expect(await use()).toBe("access-2");
    // As the rows are after a crash in the middle of a renewal: it has set out, and nobody has come back.
    await sql(vault, "UPDATE connection SET asking = 1, asked_at = ?, expires_at = ?", Date.now(), Date.now());
    await sql(vault, "UPDATE api_key SET last_used_at = NULL");
    await evict(vault);
    await runAlarmAfter(vault, 5_000);
    expect(provider.asked).toBe(2);
    expect(await use()).toBe("access-3");
    expect((await connectionOf(vault))?.history.map(({ what }) => what)).toEqual(["renewed", "interrupted", "renewed"]);
  });
});

describe("a provider that is slow", () => {
  it("is heard out: callers are told to come again, and what it says at last is kept", async () => {
    const { vault, use } = await connectedVault();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let answer = () => {};
    const held = new Promise<void>((resolve) => void (answer = resolve));
    provider.faults.push(async (question) => {
      await held;
      return provider.grant(question);
    });
    const calls = [use(), use()].map(refusalOf);
    await vi.waitUntil(() => provider.asked === 1, 20_000);
    await inside(vault, () => vi.advanceTimersByTimeAsync(10_000));
    expect(await Promise.all(calls)).toEqual(["unavailable", "unavailable"]);
    // Looked after meanwhile, and not asked a second thing.
    await runAlarmAfter(vault, 5_000);
    expect(provider.asked).toBe(1);
    await inside(vault, answer);
    await vi.waitUntil(async () => (await connectionOf(vault))?.renewals === 1, 20_000);
    expect(await use()).toBe("access-2");
    expect(provider.asked).toBe(1);
    expect(provider.dead).toBe(false);
  });
});

describe("a clock that is wrong", () => {
  it("and is set back does not keep a token beyond its end, whatever its row says", async () => {
    const { use } = await connectedVault();
    travel(5 * HOUR_MS);
    expect(await use()).toBe("access-2");
    travel(-5 * HOUR_MS);
    expect(await use()).toBe("access-3");
    expect(await use()).toBe("access-3");
    expect(provider.asked).toBe(2);
  });

  it("and is set back does not leave a provider alone that was in trouble for a second", async () => {
    const { use } = await connectedVault();
    travel(5 * HOUR_MS);
    provider.faults.push(() => new Response(null, { status: 503, headers: { "retry-after": "3600" } }));
    expect(await refusalOf(use())).toBe("unavailable");
    travel(-5 * HOUR_MS);
    expect(await use()).toBe("access-2");
  });

  it("and jumps ahead and back costs one renewal each way, and a refresh token twice never", async () => {
    const { vault, use } = await connectedVault();
    expect(await use()).toBe("access-2");
    travel(40 * 24 * HOUR_MS);
    expect(await use()).toBe("access-3");
    travel(-40 * 24 * HOUR_MS);
    expect(await use()).toBe("access-4");
    for (let n = 0; n < 3; n++) await runAlarm(vault);
    expect(await use()).toBe("access-4");
    expect(provider).toMatchObject({ asked: 3, dead: false });
  });

  it("counts a token's life from when it was asked for, however long the answer was on the way", async () => {
    const { vault, use } = await connectedVault();
    provider.says = { expires_in: 100 };
    provider.faults.push((question) => {
      travel(50_000);
      return provider.grant(question);
    });
    await use();
    const { obtained_at = 0, expires_at } = (await connectionOf(vault)) ?? {};
    expect(((expires_at ?? 0) - obtained_at) / 1_000).toBeCloseTo(50, 0);
  });

  it("of a few seconds' difference renews nothing", async () => {
    const { use } = await connectedVault();
    expect(await use()).toBe("access-2");
    travel(-10_000);
    expect(await use()).toBe("access-2");
    expect(provider.asked).toBe(1);
  });
});

it("every asking that was broken off has its row, and it ends", async () => {
  const { vault, use } = await connectedVault();
  provider.faults.push(() => Promise.reject(new TypeError("network")));
  await refusalOf(use());
  travel(2_000);
  await use();
  const rows = (await outbox(vault)).filter(({ decision }) => decision.action === "connection.renew");
  expect(rows.map(({ outcome }) => [outcome?.outcome, outcome?.rule])).toEqual([
    ["failed", "unreachable"],
    ["ok", undefined],
  ]);
});
