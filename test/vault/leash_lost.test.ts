import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { cutFor, isHeld, openLeash, outcomeOf } from "../support/leash.ts";
import { held } from "../../src/vault/surface.ts";
import { authorize, evict, inside, mintApp, outbox, runAlarmAfter, sql, vaultWithKey } from "../support/vault.ts";

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

describe("what is said over a leash", () => {
  it("that is nothing of ours changes nothing, and the object lives on with all that it holds", async () => {
    // partyserver catches what is thrown, and says so.
    vi.spyOn(console, "error").mockReturnValue();
    const { vault, app } = await vaultWithKey();
    const [one, other] = [await authorize(vault, app, "k"), await authorize(vault, app, "k")];
    const [leash, beside] = [await openLeash(vault, one), await openLeash(vault, other)];
    await Promise.all([leash.next, beside.next]);
    const before = await inside(vault, (object) => object[held]);
    for (const said of ["null", "[]", "5", '"x"', "{", "", "{}", '{"status":null}', "x".repeat(100_000)])
      leash.socket.send(said);
    leash.socket.send(new Uint8Array([0, 1]));
    expect(await isHeld(vault, leash)).toBe(true);
    expect(await inside(vault, (object) => object[held] === before)).toBe(true);
    expect([await outcomeOf(vault, one.seq), await outcomeOf(vault, other.seq)]).toEqual(["pending", "pending"]);
    // Whatever seq is named, it is the leash's own call that ends.
    leash.say({ settle: { seq: other.seq, outcome: "ok", status: 200 } });
    await vi.waitUntil(async () => (await outcomeOf(vault, one.seq)) !== "pending", 20_000);
    expect(await outcomeOf(vault, other.seq)).toBe("pending");
    expect(await isHeld(vault, beside)).toBe(true);
  });

  it("after the call has ended, or of a call that never was, writes nothing", async () => {
    const [{ vault, app }, another] = [await vaultWithKey(), await vaultWithKey()];
    const { seq, lease } = await authorize(vault, app, "k");
    const foreign = await authorize(another.vault, another.app, "k");
    expect(await (await openLeash(vault, foreign)).closed).toEqual(cutFor("lease"));
    expect(await (await openLeash(another.vault, { seq: foreign.seq, lease })).closed).toEqual(cutFor("lease"));
    await ask(vault.stub.settle([{ seq, outcome: "ok", status: 200 }]));
    const rows = await outbox(vault);
    for (const wrong of [seq, 1, 0, -1, 1.5, Number.NaN, 2 ** 53, seq + 1])
      await ask(vault.stub.settle([{ seq: wrong, outcome: "failed", status: 599, bytes_out: Number.MAX_VALUE }]));
    expect(await outbox(vault)).toEqual(rows);
    expect(await outcomeOf(another.vault, foreign.seq)).toBe("pending");
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
      ["paths", 'UPDATE token SET policy = \'{"paths":["/other"]}\''],
      ["methods", 'UPDATE token SET policy = \'{"methods":["POST"]}\''],
      ["keys", 'UPDATE token SET policy = \'{"keys":["key_other"]}\''],
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
