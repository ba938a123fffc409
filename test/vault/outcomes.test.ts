import { describe, expect, it } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import type { Settlement } from "../../src/vault/calls/dispatch.ts";
import {
  type Vault,
  askFor,
  authorize,
  calls,
  evict,
  mintApp,
  outbox,
  refusalOf,
  runAlarmAfter,
  travel,
  vaultWithKey,
} from "../support/vault.ts";

function settle({ stub }: Vault, ...settlements: Settlement[]): Promise<void> {
  return ask(stub.settle(settlements));
}

describe("an outcome", () => {
  it("ends the row once: what is said again changes nothing", async () => {
    const { vault, app } = await vaultWithKey();
    const { seq } = await authorize(vault, app, "k");
    await settle(vault, { seq, outcome: "ok", status: 200, latency_ms: 12, bytes_out: 5 });
    await settle(vault, { seq, outcome: "failed", status: 500 });
    await evict(vault);
    await settle(vault, { seq, outcome: "cut" });
    const rows = await calls(vault);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      pending: false,
      outcome: { outcome: "ok", status: 200, latency_ms: 12, bytes_out: 5 },
    });
  });

  it("rides along with the next question, also where that is refused", async () => {
    const { vault, app } = await vaultWithKey();
    const { seq } = await authorize(vault, app, "k");
    expect(await refusalOf(ask(vault.stub.authorize(askFor(app, "nothing"), [{ seq, outcome: "ok" }])))).toBe(
      "not_found keys",
    );
    expect((await calls(vault))[0]).toMatchObject({ seq, pending: false });
  });

  it("of nobody's row is ignored", async () => {
    const { vault } = await vaultWithKey();
    const before = await outbox(vault);
    await settle(vault, { seq: 1, outcome: "cut" }, { seq: 999, outcome: "ok" }, { seq: -1, outcome: "ok" });
    expect(await outbox(vault)).toEqual(before);
  });

  it("is interrupted where nobody settles or holds the call for 15 s, and its slot is free again", async () => {
    const { vault, app } = await vaultWithKey();
    const { seq } = await authorize(vault, app, "k");
    await runAlarmAfter(vault, 14_000);
    expect((await calls(vault))[0]).toMatchObject({ seq, pending: true });
    expect((await ask(vault.stub.revokeToken(vault.ada, (await mintApp(vault)).id))).in_flight).toBe(0);
    await runAlarmAfter(vault, 1_001);
    expect((await calls(vault))[0]).toMatchObject({ seq, pending: false, outcome: { outcome: "interrupted" } });
    expect((await ask(vault.stub.revokeToken(vault.ada, app.id))).in_flight).toBe(0);
  });

  it("comes although the vault sleeps between any two looks", async () => {
    const { vault, app } = await vaultWithKey();
    await authorize(vault, app, "k");
    for (let i = 0; i < 4; i++) {
      await evict(vault);
      await runAlarmAfter(vault, 5_000);
    }
    expect((await calls(vault))[0]).toMatchObject({ pending: false, outcome: { outcome: "interrupted" } });
  });

  it("that comes after the call was given up is recorded in a row of its own, once", async () => {
    const { vault, app } = await vaultWithKey();
    const { seq, request_id } = await authorize(vault, app, "k");
    await runAlarmAfter(vault, 15_001);
    await evict(vault);
    await settle(vault, { seq, outcome: "ok", status: 200, bytes_out: 7 });
    await settle(vault, { seq, outcome: "ok", status: 200, bytes_out: 7 });
    const rows = await calls(vault);
    expect(
      rows.map(({ decision, outcome }) => [decision.action, decision.subject, outcome?.outcome, outcome?.status]),
    ).toEqual([
      ["proxy.call", undefined, "interrupted", undefined],
      ["proxy.late", request_id, "ok", 200],
    ]);
    expect(rows[1]?.decision).toMatchObject({ actor: { id: app.id }, key_name: "k", host: "api.example" });
  });

  it("that comes hours after the call was given up is not believed any more", async () => {
    const { vault, app } = await vaultWithKey();
    const [first, second] = [await authorize(vault, app, "k"), await authorize(vault, app, "k")];
    await runAlarmAfter(vault, 15_001);
    travel(2 * 3_600_000);
    await authorize(vault, app, "k");
    await runAlarmAfter(vault, 15_001);
    await settle(vault, { seq: first.seq, outcome: "ok" }, { seq: second.seq, outcome: "ok" });
    expect((await calls(vault)).filter(({ decision }) => decision.action === "proxy.late")).toEqual([]);
  });
});
