import { evictDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { leaseHash } from "../../src/vault/leashes.ts";
import { cutFor, isHeld, openLeash } from "../support/leash.ts";
import { authorize, createDirectory, evict, inside, mintApp, newVault, outbox, runAlarmAfter, sql, storeKey, travel, type App, type Vault } from "../support/vault.ts";

beforeAll(createDirectory);
afterEach(() => {
  vi.useRealTimers();
});

async function vaultWithKey(): Promise<{ vault: Vault; app: App }> {
  const vault = await newVault();
  await storeKey(vault, "k");
  return { vault, app: await mintApp(vault) };
}

async function outcomeOf(vault: Vault, seq: number) {
  const row = (await outbox(vault)).find((one) => one.seq === seq);
  const { outcome, rule, status } = row?.outcome ?? {};
  return row?.pending === true ? "pending" : { outcome, rule, status };
}

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
    const [word] = rule === "key_deleted" ? ["keys"] : [rule];
    expect(await (await openLeash(vault, call)).closed).toEqual(cutFor(word as string));
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
    for (let i = 0; i < 300; i++) await openLeash(vault, await authorize(vault, app, "k"));
    const [paused, revoked] = await inside(vault, (object) =>
      Promise.all([object.pauseKey(vault.ada, "k"), object.revokeToken(vault.ada, app.id)]),
    );
    expect(paused).toMatchObject({ ok: true });
    // The first 200 were told by the pause; the rest is waited for by both.
    expect(revoked).toMatchObject({ ok: true, value: { streams_cut: 100, in_flight: 0 } });
  });

  it("waits a second for a router that says nothing, and then tells that its stream may still be open", async () => {
    const { vault, app } = await vaultWithKey();
    const calls = [await authorize(vault, app, "k"), await authorize(vault, app, "k")] as const;
    await openLeash(vault, calls[0], { mute: true });
    await openLeash(vault, calls[1]);
    expect(await ask(vault.stub.revokeToken(vault.ada, app.id))).toMatchObject({ streams_cut: 1, in_flight: 1 });
  });
});

describe("a leash that is lost without a word", () => {
  it("may be asked for again with its next lease, and then holds and can be cut", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    const leash = await openLeash(vault, call);
    const lease = await leash.next;
    await evictDurableObject(vault.stub, { webSockets: "close" });
    expect((await leash.closed).code).not.toBe(4001);
    const again = await openLeash(vault, { seq: call.seq, lease });
    expect(await isHeld(vault, again)).toBe(true);
    const receipt = await ask(vault.stub.revokeToken(vault.ada, app.id));
    expect(receipt).toMatchObject({ streams_cut: 1, in_flight: 0 });
    expect(await again.closed).toEqual(cutFor("revoked"));
  });

  it("is not given back where the decision fell in the meantime", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    const leash = await openLeash(vault, call);
    const lease = await leash.next;
    await evictDurableObject(vault.stub, { webSockets: "close" });
    await ask(vault.stub.pauseToken(vault.ada, app.id));
    expect(await (await openLeash(vault, { seq: call.seq, lease })).closed).toEqual(cutFor("token_paused"));
  });

  it("is ended by the one that takes its place", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    const lost = await openLeash(vault, call);
    const found = await openLeash(vault, { seq: call.seq, lease: await lost.next });
    expect((await lost.closed).code).toBe(1000);
    expect(await isHeld(vault, found)).toBe(true);
    await runAlarmAfter(vault, 60_000);
    expect(await outcomeOf(vault, call.seq)).toBe("pending");
    expect(await ask(vault.stub.revokeToken(vault.ada, app.id))).toMatchObject({ streams_cut: 1, in_flight: 0 });
  });

  it("leaves its call 15 s to come back, and then it is interrupted", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    const leash = await openLeash(vault, call);
    const lease = await leash.next;
    await runAlarmAfter(vault, 60_000);
    await evictDurableObject(vault.stub, { webSockets: "close" });
    await runAlarmAfter(vault, 5 * 60_000);
    expect(await outcomeOf(vault, call.seq)).toBe("pending");
    await evict(vault);
    await runAlarmAfter(vault, 15_001);
    expect(await outcomeOf(vault, call.seq)).toMatchObject({ outcome: "interrupted" });
    expect(await (await openLeash(vault, { seq: call.seq, lease })).closed).toEqual(cutFor("lease"));
  });
});

describe("a leash that ends", () => {
  it("settles its call in the router's words", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    const leash = await openLeash(vault, call);
    // Whatever seq it names, it speaks of its own call.
    leash.say({ settle: { seq: 1, outcome: "ok", status: 200, latency_ms: 5, bytes_out: 9 } });
    leash.socket.close(1000);
    await leash.closed;
    const row = (await outbox(vault)).find(({ seq }) => seq === call.seq);
    expect(row?.outcome).toMatchObject({ outcome: "ok", status: 200, latency_ms: 5, bytes_out: 9 });
  });

  it("unsettled gives its call 15 s from then, not from its beginning", async () => {
    const { vault, app } = await vaultWithKey();
    const call = await authorize(vault, app, "k");
    const leash = await openLeash(vault, call);
    await runAlarmAfter(vault, 10 * 60_000);
    expect(await outcomeOf(vault, call.seq)).toBe("pending");
    leash.socket.close(1001);
    await leash.closed;
    await runAlarmAfter(vault, 14_000);
    expect(await outcomeOf(vault, call.seq)).toBe("pending");
    await runAlarmAfter(vault, 1_001);
    expect(await outcomeOf(vault, call.seq)).toMatchObject({ outcome: "interrupted" });
  });
});

describe("judging again", () => {
  it("lets a path stand that is too long to be recorded whole", async () => {
    const { vault } = await vaultWithKey();
    const app = await mintApp(vault, { paths: ["/v1/*/content"] });
    const call = await authorize(vault, app, "k", { path: `/v1/${"a".repeat(600)}/content` });
    const leash = await openLeash(vault, call);
    expect(await isHeld(vault, leash)).toBe(true);
    const again = await openLeash(vault, { seq: call.seq, lease: await leash.next });
    expect(await isHeld(vault, again)).toBe(true);
  });

  it("closes what a narrower policy, an expiry or a smaller choice of keys no longer allows", async () => {
    const { vault, app } = await vaultWithKey();
    const changes = [
      ["paths", "UPDATE token SET policy = '{\"paths\":[\"/other\"]}'"],
      ["methods", "UPDATE token SET policy = '{\"methods\":[\"POST\"]}'"],
      ["keys", "UPDATE token SET policy = '{\"keys\":[\"key_other\"]}'"],
      ["expired", "UPDATE token SET policy = '{}', expires_at = 1 WHERE kind = 'app'"],
    ] as const;
    const calls = [];
    for (const _ of changes) calls.push(await authorize(vault, app, "k"));
    for (const [index, [rule, change]] of changes.entries()) {
      await sql(vault, change);
      await evict(vault);
      const call = calls[index] as (typeof calls)[number];
      expect(await (await openLeash(vault, call)).closed).toEqual(cutFor(rule));
    }
  });
});
