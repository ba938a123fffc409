import { describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import type { Dispatch } from "../../src/vault/calls/dispatch.ts";
import { leaseHash } from "../../src/vault/calls/leashes.ts";
import { cutFor, isHeld, openLeash, outcomeOf, type HeldLeash } from "../support/leash.ts";
import {
  type App,
  type Vault,
  archive,
  authorize,
  derive,
  evict,
  inside,
  mintApp,
  newVault,
  runAlarmAfter,
  sql,
  storeKey,
  travel,
  vaultWithKey,
  withoutD1,
} from "../support/vault.ts";

describe("a lease", () => {
  it("opens one leash, and that one brings the lease of the next", async () => {
    const { vault, app } = await vaultWithKey();
    const { seq, lease } = await authorize(vault, app, "k");
    const first = await openLeash(vault, { seq, lease });
    const next = await first.next;
    expect(await (await openLeash(vault, { seq, lease })).closed).toEqual(cutFor("lease"));
    expect(await isHeld(vault, first)).toBe(true);
    const second = await openLeash(vault, { seq, lease: next });
    expect(await isHeld(vault, second)).toBe(true);
    expect(await (await openLeash(vault, { seq, lease: next })).closed).toEqual(cutFor("lease"));
    expect(await outcomeOf(vault, seq)).toBe("pending");
  });

  it("that is wrong, empty or another call's opens nothing and ends nobody's call", async () => {
    const { vault, app } = await vaultWithKey();
    const [one, two] = [await authorize(vault, app, "k"), await authorize(vault, app, "k")];
    const attempts = [
      { seq: one.seq, lease: two.lease },
      { seq: one.seq, lease: "" },
      { seq: one.seq, lease: leaseHash(one.lease) },
      { seq: 999, lease: one.lease },
      { seq: Number.NaN, lease: one.lease },
      { seq: 1, lease: "null" },
    ];
    for (const attempt of attempts) expect(await (await openLeash(vault, attempt)).closed).toEqual(cutFor("lease"));
    expect(await outcomeOf(vault, one.seq)).toBe("pending");
    expect(await isHeld(vault, await openLeash(vault, one))).toBe(true);
  });

  it("is stored as a hash only, and not at all once the call has ended", async () => {
    const { vault, app } = await vaultWithKey();
    const { seq, lease } = await authorize(vault, app, "k");
    expect(Buffer.from(lease, "base64url")).toHaveLength(16);
    expect(await sql(vault, "SELECT lease FROM audit WHERE seq = ?", seq)).toEqual([{ lease: leaseHash(lease) }]);
    await ask(vault.stub.settle([{ seq, outcome: "ok" }]));
    expect(await sql(vault, "SELECT lease, path, unclaimed_at FROM audit WHERE seq = ?", seq)).toEqual([
      { lease: null, path: null, unclaimed_at: null },
    ]);
    expect(await (await openLeash(vault, { seq, lease })).closed).toEqual(cutFor("lease"));
  });
});

describe("a decision that is judged again", () => {
  it("is told until when it stands now, and one that no longer stands is cut", async () => {
    const { vault, app } = await vaultWithKey();
    await storeKey(vault, "other");
    const [held, elsewhere] = [
      await openLeash(vault, await authorize(vault, app, "k")),
      await openLeash(vault, await authorize(vault, app, "other")),
    ];
    await Promise.all([held.next, elsewhere.next]);
    expect(held.term()).toEqual({ not_after: null, expiry_rule: "expired" });
    const soon = Date.now() + 60_000;
    await ask(vault.stub.changeKey(vault.ada, "k", { expires_at: soon }));
    await vi.waitUntil(() => held.term()?.not_after === soon, 20_000);
    expect(held.term()).toEqual({ not_after: soon, expiry_rule: "key_expired" });
    expect(elsewhere.term()?.not_after).toBeNull();
    await ask(vault.stub.changeKey(vault.ada, "k", { expires_at: null }));
    await vi.waitUntil(() => held.term()?.not_after === null, 20_000);
    // An expiry that has passed by the time it is said.
    await ask(vault.stub.changeKey(vault.ada, "k", { expires_at: Date.now() - 1 }));
    expect(await held.closed).toEqual(cutFor("key_expired"));
    expect(await isHeld(vault, elsewhere)).toBe(true);
  });

  it("is told when its leash opens of an expiry that was brought forward since it was let through", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    const soon = Date.now() + 60_000;
    await ask(vault.stub.changeKey(vault.ada, "k", { expires_at: soon }));
    const leash = await openLeash(vault, call);
    await leash.next;
    expect(leash.term()).toEqual({ not_after: soon, expiry_rule: "key_expired" });
  });
});

type Cut = { cut: (vault: Vault, app: App) => Promise<unknown>; rule: string };
const CUTS: Record<string, Cut> = {
  "revoking the token": { cut: ({ stub, ada }, { id }) => ask(stub.revokeToken(ada, id)), rule: "revoked" },
  "pausing the token": { cut: ({ stub, ada }, { id }) => ask(stub.pauseToken(ada, id)), rule: "token_paused" },
  "pausing the key": { cut: ({ stub, ada }) => ask(stub.pauseKey(ada, "k")), rule: "key_paused" },
  "deleting the key": { cut: ({ stub, ada }) => ask(stub.deleteKey(ada, "k")), rule: "key_deleted" },
};

describe.each(Object.entries(CUTS))("%s", (_what, { cut, rule }) => {
  it("cuts what is open, and the row says so with the status that the upstream had given", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    const leash = await openLeash(vault, call);
    leash.say({ status: 206 });
    expect(await isHeld(vault, leash)).toBe(true);
    await cut(vault, app);
    expect(await leash.closed).toEqual(cutFor(rule));
    expect(await outcomeOf(vault, call.seq)).toEqual({ outcome: "cut", rule, status: 206 });
  });

  it("cuts it also where the vault slept in the meantime", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    const leash = await openLeash(vault, call);
    leash.say({ status: 200 });
    expect(await isHeld(vault, leash)).toBe(true);
    await evict(vault);
    expect(await isHeld(vault, leash)).toBe(true);
    await evict(vault);
    await cut(vault, app);
    expect(await leash.closed).toEqual(cutFor(rule));
    expect(await outcomeOf(vault, call.seq)).toEqual({ outcome: "cut", rule, status: 200 });
  });

  it("between the yes and the opening of the leash cuts it at the opening", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    await cut(vault, app);
    const word = rule === "key_deleted" ? "keys" : rule;
    expect(await (await openLeash(vault, call)).closed).toEqual(cutFor(word));
    expect(await outcomeOf(vault, call.seq)).toMatchObject({ outcome: "cut", rule: word });
  });

  it("leaves alone what another token has open with another key", async () => {
    const { vault, app } = await vaultWithKey();
    await storeKey(vault, "other");
    const leash = await openLeash(vault, await authorize(vault, await mintApp(vault), "other"));
    await cut(vault, app);
    expect(await isHeld(vault, leash)).toBe(true);
  });
});

describe("a receipt", () => {
  it("tells streams that have said goodbye from calls that are still under way", async () => {
    const { vault, app } = await vaultWithKey();
    const leashes = await Promise.all(
      Array.from({ length: 3 }, async () => openLeash(vault, await authorize(vault, app, "k"))),
    );
    await authorize(vault, app, "k");
    const done = await authorize(vault, app, "k");
    await ask(vault.stub.settle([{ seq: done.seq, outcome: "ok" }]));
    const receipt = await ask(vault.stub.revokeToken(vault.ada, app.id));
    expect(receipt).toMatchObject({ id: app.id, streams_cut: 3, in_flight: 1, sessions_closed: 0 });
    expect(receipt.last_used_at).toBeGreaterThan(Date.now() - 60_000);
    for (const { closed } of leashes) expect(await closed).toEqual(cutFor("revoked"));
  });

  it("of a second revocation tells the first one's time and cuts nothing more", async () => {
    const { vault, app } = await vaultWithKey();
    await openLeash(vault, await authorize(vault, app, "k"));
    const first = await ask(vault.stub.revokeToken(vault.ada, app.id));
    travel(5_000);
    const second = await ask(vault.stub.revokeToken(vault.ada, app.id));
    expect(second).toMatchObject({ revoked_at: first.revoked_at, streams_cut: 0, in_flight: 0 });
  });

  it("counts a stream once for each of two ends that come at the same time", async () => {
    const { vault, app } = await vaultWithKey();
    for (let i = 0; i < 40; i++) await openLeash(vault, await authorize(vault, app, "k"));
    const [paused, revoked] = await inside(vault, (object) =>
      Promise.all([object.pauseKey(vault.ada, "k"), object.revokeToken(vault.ada, app.id)]),
    );
    expect(paused).toMatchObject({ ok: true });
    // The first twelve were told by the pause, and have ended; the rest is waited for by both.
    expect(revoked).toMatchObject({ ok: true, value: { streams_cut: 28, in_flight: 0 } });
  });

  it("is had of a router by one word for all of its leashes, and by each leash's own end where that does not help", async () => {
    const { vault, app } = await vaultWithKey();
    const open = async (router: string) => openLeash(vault, await authorize(vault, app, "k"), { router });
    const [deaf, one, two] = [await open("deaf"), await open("hears"), await open("hears")];
    // It lets go of both when it hears of them by either.
    const hears = vi
      .waitUntil(() => [...one.cuts, ...two.cuts][0])
      .then((word) => {
        for (const { id, socket } of [one, two]) if (word.leashes.includes(id)) socket.close(1000);
        return word;
      });
    const revoking = ask(vault.stub.revokeToken(vault.ada, app.id));
    expect(await hears).toEqual({ rule: "revoked", leashes: [one.id, two.id] });
    expect(await deaf.closed).toEqual(cutFor("revoked"));
    expect(deaf.cuts).toEqual([{ rule: "revoked", leashes: [deaf.id] }]);
    expect(await revoking).toMatchObject({ streams_cut: 3, in_flight: 0 });
  });

  it("waits a second for a router that says nothing, lets no row leave meanwhile, and tells that its stream may still be open", async () => {
    const { vault, app } = await vaultWithKey();
    const calls = [await authorize(vault, app, "k"), await authorize(vault, app, "k")] as const;
    const deaf = await openLeash(vault, calls[0], { mute: true });
    await openLeash(vault, calls[1]);
    const revoking = ask(vault.stub.revokeToken(vault.ada, app.id));
    await deaf.closed;
    await runAlarmAfter(vault, 10_000);
    expect(await archive(vault)).toEqual([]);
    expect(await revoking).toMatchObject({ streams_cut: 1, in_flight: 1 });
    await runAlarmAfter(vault, 1_000);
    expect((await archive(vault)).map(({ seq }) => seq)).toEqual(expect.arrayContaining(calls.map(({ seq }) => seq)));
  });
});

describe("many leashes", () => {
  // More than one token may have; `npm run bench -- --cuts 5000` cuts as many over real sockets.
  const TOKENS = 2;
  const PER_TOKEN = 1_000;
  const AT_ONCE = 50;

  async function openMany(vault: Vault, app: App, count: number): Promise<HeldLeash[]> {
    const held: HeldLeash[] = [];
    for (let opened = 0; opened < count; opened += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, async () => openLeash(vault, await authorize(vault, app, "k")));
      held.push(...(await Promise.all(some)));
    }
    return held;
  }

  it("sleep with the vault, 2,000 of them, and are cut by one call while the vault goes on answering", async () => {
    // The rows stay where they can be counted.
    await withoutD1(async () => {
      vi.spyOn(console, "error").mockReturnValue();
      const vault = await newVault();
      await storeKey(vault, "k");
      await storeKey(vault, "other");
      const apps = await Promise.all(Array.from({ length: TOKENS }, () => mintApp(vault)));
      const leashes: HeldLeash[] = [];
      for (const app of apps) leashes.push(...(await openMany(vault, app, PER_TOKEN)));

      // One more than a token may have is refused, and its call with it; what is open stays open, also across a sleep.
      const first = apps[0] as App;
      for (const asleep of [false, true]) {
        if (asleep) await evict(vault);
        const refused = await authorize(vault, first, "k");
        expect(await (await openLeash(vault, refused)).closed).toEqual(cutFor("leash_limit"));
        expect(await sql(vault, "SELECT outcome ->> 'rule' AS rule FROM audit WHERE seq = ?", refused.seq)).toEqual([
          { rule: "leash_limit" },
        ]);
      }
      // Nor has it more by those that it derives.
      const derived = await openLeash(vault, await authorize(vault, await derive(vault, first), "k"));
      expect(await derived.closed).toEqual(cutFor("leash_limit"));
      // Whoever leaves makes room.
      const leaver = leashes.shift() as HeldLeash;
      leaver.socket.close(1000);
      await leaver.closed;
      leashes.unshift(await openLeash(vault, await authorize(vault, first, "k")));
      expect(await isHeld(vault, leashes[0] as HeldLeash)).toBe(true);

      await evict(vault);
      const cut = new AbortController();
      const cutting = ask(vault.stub.pauseKey(vault.ada, "k")).finally(() => cut.abort());
      const meanwhile: Dispatch[] = [];
      while (!cut.signal.aborted) {
        meanwhile.push(await authorize(vault, first, "other"));
        // A caller in the same process that never pauses would leave the runtime no time to look at its clocks.
        await scheduler.wait(1);
      }
      await cutting;
      expect(meanwhile.length).toBeGreaterThan(3);
      for (const { closed } of leashes) expect(await closed).toEqual(cutFor("key_paused"));
      const [rows] = await sql<{ n: number }>(
        vault,
        "SELECT count(*) AS n FROM audit WHERE outcome ->> 'rule' = 'key_paused'",
      );
      expect(rows?.n).toBe(TOKENS * PER_TOKEN);
    });
  }, 180_000);
});
