import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { configOf } from "../../src/config.ts";
import { mintToken, verifyToken } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import {
  type App,
  type Row,
  type Vault,
  authorize,
  calls,
  evict,
  mintApp,
  outbox,
  refusalOf,
  runAlarmAfter,
  storeKey,
  travel,
  vaultWithKey,
} from "../support/vault.ts";

async function shipped({ id }: Vault): Promise<Pick<Row, "decision">[]> {
  const { results } = await env.DB.prepare(
    "SELECT decision FROM audit WHERE vault_id = ? AND decision LIKE '%proxy.call%'",
  )
    .bind(id)
    .all<{ decision: string }>();
  return results.map(({ decision }) => ({ decision: JSON.parse(decision) as Row["decision"] }));
}

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
    expect(refusals).toEqual([
      "not_found keys",
      "not_found keys",
      "policy_denied methods",
      "policy_denied paths",
      "target_refused target",
    ]);
    const rows = (await calls(vault)).map(({ decision: { rule, outcome }, pending }) => ({ rule, outcome, pending }));
    expect(rows).toEqual(
      ["keys", "methods", "paths", "target"].map((rule) => ({ rule, outcome: "refused", pending: false })),
    );
  });

  it("of tokens derived from one are counted with it: by many children nobody has more rows", async () => {
    const { vault, app } = await vaultWithKey({ methods: ["GET"] });
    const by = { ...vault.ada, hash: app.hash, kind: "app" as const, may: ["app" as const] };
    for (let n = 0; n < 5; n++) {
      const { token } = await ask(vault.stub.deriveToken(by, "child", {}));
      const child = { ...app, hash: verifyToken(configOf(env).token_keys, token).hash };
      expect(await refusalOf(authorize(vault, child, "k", { method: "POST" }))).toBe("policy_denied methods");
    }
    expect(await refusalOf(authorize(vault, app, "k", { method: "POST" }))).toBe("policy_denied methods");
    expect(await calls(vault)).toHaveLength(1);
    travel(60_000);
    await runAlarmAfter(vault, 1_000);
    const rows = [...(await outbox(vault)), ...(await shipped(vault))].map(({ decision }) => decision);
    expect(rows.filter(({ count }) => count !== undefined)).toMatchObject([
      { count: 5, rule: "methods", actor: { id: app.id, name: "various" } },
    ]);
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
    expect(answers).toEqual([
      ...Array.from({ length: 3 }, () => "insufficient_scope"),
      "invalid_token",
      "invalid_token",
    ]);
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
    expect(counts.toSorted((a = Infinity, b = Infinity) => a - b)).toEqual([99, 99, undefined, undefined]);
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
    const counts = [...(await calls(vault)), ...(await shipped(vault))].map(({ decision: { actor, count } }) => [
      actor.id,
      count,
    ]);
    expect(counts).toHaveLength(4);
    expect(counts).toEqual(
      expect.arrayContaining([
        [a.id, 2],
        [b.id, 4],
        [a.id, undefined],
        [b.id, undefined],
      ]),
    );
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
    expect(counts.toSorted((a = Infinity, b = Infinity) => a - b)).toEqual([10, undefined]);
  });
});
