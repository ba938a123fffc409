import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { cutFor, isHeld, openLeash, outcomeOf } from "../support/leash.ts";
import { authorize, evict, mintApp, outbox, runAlarmAfter, sql, vaultWithKey } from "../support/vault.ts";

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
