import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { configOf } from "../../src/config.ts";
import { mintToken } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Settlement } from "../../src/vault/gate.ts";
import { askFor, authorize, createDirectory, evict, inside, mintApp, newVault, outbox, refusalOf, runAlarmAfter, sql, storeKey, travel, type App, type Row, type Vault } from "../support/vault.ts";

beforeAll(createDirectory);
afterEach(() => {
  vi.useRealTimers();
});

async function vaultWithKey(): Promise<{ vault: Vault; app: App }> {
  const vault = await newVault();
  await storeKey(vault, "k");
  return { vault, app: await mintApp(vault) };
}

async function calls(vault: Vault): Promise<Row[]> {
  return (await outbox(vault)).filter(({ decision }) => decision.action.startsWith("proxy."));
}

function settle({ stub }: Vault, ...settlements: Settlement[]): Promise<void> {
  return ask(stub.settle(settlements));
}

describe("a row", () => {
  it("is there before the dispatch is answered: without it nothing is let through", async () => {
    const { vault, app } = await vaultWithKey();
    const { request_id, seq } = await authorize(vault, app, "k");
    const [row] = await calls(vault);
    expect(row).toMatchObject({ seq, pending: true, decision: { id: request_id, action: "proxy.call", method: "GET" } });
    // The disk is full, say: what cannot be recorded is refused, and no secret leaves.
    await sql(vault, "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk is full'); END");
    const answer = await inside(vault, (object) => Promise.try(() => object.authorize(askFor(app, "k"), [])).catch(String));
    expect(JSON.stringify(answer)).toContain("disk is full");
    expect(JSON.stringify(answer)).not.toContain("sk-k");
    await sql(vault, "DROP TRIGGER full");
    expect((await authorize(vault, app, "k")).seq).toBe(seq + 1);
  });

  it("says who did what where, and never a query, a body, a header or a token", async () => {
    const { vault, app } = await vaultWithKey();
    const path = `/v1/${app.token.slice(0, 40)}/x`;
    await authorize(vault, app, "k", { method: "POST", path, user_agent: "u".repeat(1_000) });
    const [row] = await calls(vault);
    expect(row?.decision).toMatchObject({
      actor: { kind: "app", id: app.id, name: "app" },
      key_name: "k",
      provider: "custom",
      method: "POST",
      host: "api.example",
      path: "/v1/alk_…/x",
      ip: "192.0.2.1",
      country: "NZ",
      user_agent: "u".repeat(256),
    });
  });

  it("records a long path to 512 bytes and the rest by its hash", async () => {
    const { vault, app } = await vaultWithKey();
    await authorize(vault, app, "k", { path: `/v1/${"a".repeat(2_000)}` });
    await authorize(vault, app, "k", { path: `/v1/${"a".repeat(2_001)}` });
    const [one, two] = (await calls(vault)).map(({ decision }) => decision.path ?? "");
    expect(one?.length).toBe(512 + "…sha256=".length + 64);
    expect(one?.slice(0, 512)).toBe(two?.slice(0, 512));
    expect(one).not.toBe(two);
  });

  it("tells of every change in the step that made it", async () => {
    const { vault, app } = await vaultWithKey();
    const { stub, ada } = vault;
    await ask(stub.pauseKey(ada, "k"));
    await ask(stub.resumeKey(ada, "k"));
    await ask(stub.pauseToken(ada, app.id));
    await ask(stub.resumeToken(ada, app.id));
    await ask(stub.revokeToken(ada, app.id));
    await ask(stub.deleteKey(ada, "k"));
    await ask(stub.signOut(ada));
    const rows = (await outbox(vault)).map(({ decision: { action, outcome } }) => `${action} ${outcome}`);
    expect(rows).toEqual(
      ["session.create", "key.create", "token.create", "key.pause", "key.resume", "token.pause", "token.resume", "token.revoke", "key.delete", "session.revoke"].map((action) => `${action} ok`),
    );
  });
});

describe("a refusal", () => {
  it("of a token that the vault knows is recorded with the rule that refused", async () => {
    const { vault } = await vaultWithKey();
    await storeKey(vault, "other");
    const narrow = await mintApp(vault, { keys: ["k"], methods: ["GET"], paths: ["/v1/*"] });
    const refusals = [
      await refusalOf(authorize(vault, narrow, "other")),
      await refusalOf(authorize(vault, narrow, "nothing")),
      await refusalOf(authorize(vault, narrow, "k", { method: "POST" })),
      await refusalOf(authorize(vault, narrow, "k", { path: "/v2/x" })),
      await refusalOf(authorize(vault, narrow, "k", { path: "/v1/../v2" })),
    ];
    expect(refusals).toEqual(["not_found keys", "not_found keys", "policy_denied methods", "policy_denied paths", "target_refused target"]);
    const rows = (await calls(vault)).map(({ decision: { rule, outcome }, pending }) => ({ rule, outcome, pending }));
    expect(rows).toEqual(["keys", "methods", "paths", "target"].map((rule) => ({ rule, outcome: "refused", pending: false })));
  });

  it("of a token that it does not know leaves no row, even with a signature that is right", async () => {
    const { vault } = await vaultWithKey();
    const { hash, token } = mintToken(configOf(env).token_keys, "app", vault.id);
    const before = (await outbox(vault)).length;
    expect(await refusalOf(authorize(vault, { hash, token, id: "?" }, "k"))).toBe("invalid_token");
    expect(await refusalOf(authorize(vault, { hash: vault.ada.hash, token, id: "?" }, "k"))).toBe("invalid_token");
    expect(await outbox(vault)).toHaveLength(before);
  });

  it("to manage something is recorded too, where the vault knows who asked", async () => {
    const { vault, app } = await vaultWithKey();
    const { stub, ada } = vault;
    const impostor = { ...ada, hash: app.hash, kind: "app" as const };
    const stranger = { ...ada, hash: "nobody" };
    const asks = [
      () => ask(stub.listKeys(impostor, undefined, 10, {})),
      () => ask(stub.revokeToken(impostor, app.id)),
      () => ask(stub.revealKeys(impostor, ["k"])),
      () => ask(stub.me(stranger)),
      () => ask(stub.createToken({ ...ada, kind: "dev" }, "x", {})),
    ];
    const answers = [];
    for (const each of asks) answers.push(await refusalOf(each()));
    expect(answers).toEqual([...Array.from({ length: 3 }, () => "insufficient_scope"), "invalid_token", "invalid_token"]);
    await ask(stub.signOut(ada));
    expect(await refusalOf(ask(stub.listKeys(ada, undefined, 10, {})))).toBe("invalid_token revoked");
    const rows = (await outbox(vault)).filter(({ decision }) => decision.action === "manage");
    expect(rows.map(({ decision: { actor, outcome, rule } }) => [actor.kind, outcome, rule])).toEqual([
      ["app", "refused", "insufficient_scope"],
      ["session", "refused", "revoked"],
    ]);
  });

  it("is no weapon: the first has a row, the rest of its minute one counted row", async () => {
    const { vault, app } = await vaultWithKey();
    await ask(vault.stub.revokeToken(vault.ada, app.id));
    const flood = () => Promise.all(Array.from({ length: 100 }, () => refusalOf(authorize(vault, app, "k"))));
    expect(new Set(await flood())).toEqual(new Set(["invalid_token revoked"]));
    expect((await calls(vault)).map(({ decision }) => decision.count)).toEqual([undefined]);
    await runAlarmAfter(vault, 61_000);
    await flood();
    await runAlarmAfter(vault, 61_000);
    const counts = [...(await calls(vault)), ...(await shipped(vault))].map((row) => row.decision.count);
    expect(counts.toSorted()).toEqual([99, 99, undefined, undefined]);
  });

  it("is counted for every token and rule by itself, and each minute ends by itself", async () => {
    const { vault } = await vaultWithKey();
    const [a, b] = [await mintApp(vault, { methods: ["GET"] }), await mintApp(vault, { methods: ["GET"] })];
    const refuse = async (app: App, times: number) => {
      for (let i = 0; i < times; i++) await refusalOf(authorize(vault, app, "k", { method: "POST" }));
    };
    await refuse(a, 3);
    travel(30_000);
    await refuse(b, 5);
    // Nobody calls again: both counts must be written all the same.
    for (let i = 0; i < 20; i++) await runAlarmAfter(vault, 5_001);
    const counts = [...(await calls(vault)), ...(await shipped(vault))].map(({ decision: { actor, count } }) => [actor.id, count]);
    expect(counts).toHaveLength(4);
    expect(counts).toEqual(expect.arrayContaining([[a.id, 2], [b.id, 4], [a.id, undefined], [b.id, undefined]]));
  });

  it("is still counted after the vault has slept", async () => {
    const { vault, app } = await vaultWithKey();
    await ask(vault.stub.revokeToken(vault.ada, app.id));
    for (let i = 0; i < 10; i++) await refusalOf(authorize(vault, app, "k"));
    await runAlarmAfter(vault, 5_001);
    await evict(vault);
    await refusalOf(authorize(vault, app, "k"));
    await runAlarmAfter(vault, 60_000);
    const counts = [...(await calls(vault)), ...(await shipped(vault))].map(({ decision }) => decision.count);
    expect(counts.toSorted()).toEqual([10, undefined]);
  });
});

async function shipped({ id }: Vault): Promise<Pick<Row, "decision">[]> {
  const { results } = await env.DB.prepare("SELECT decision FROM audit WHERE vault_id = ? AND decision LIKE '%proxy.call%'")
    .bind(id)
    .all<{ decision: string }>();
  return results.map(({ decision }) => ({ decision: JSON.parse(decision) as Row["decision"] }));
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
    expect(rows[0]).toMatchObject({ pending: false, outcome: { outcome: "ok", status: 200, latency_ms: 12, bytes_out: 5 } });
  });

  it("rides along with the next question, also where that is refused", async () => {
    const { vault, app } = await vaultWithKey();
    const { seq } = await authorize(vault, app, "k");
    expect(await refusalOf(ask(vault.stub.authorize(askFor(app, "nothing"), [{ seq, outcome: "ok" }])))).toBe("not_found keys");
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
    expect(rows.map(({ decision, outcome }) => [decision.action, decision.subject, outcome?.outcome, outcome?.status])).toEqual([
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
