import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { held } from "../../src/vault/surface.ts";
import type { Caller } from "../../src/vault/tokens/caller.ts";
import {
  authorize,
  derive,
  grantTo,
  inside,
  mintApp,
  ORIGIN,
  outbox,
  refusalOf,
  runAlarm,
  signInDevice,
  sql,
  storeKey,
  travel,
  vaultWithKey,
  type App,
  type Vault,
} from "../support/vault.ts";

const DAY_MS = 86_400_000;

/** A client whose model may change things, as a tool calls for it. */
async function modelOf(vault: Vault): Promise<Caller & { grant_id: string }> {
  const { hash, grant_id } = await grantTo(vault, { scopes: ["vault:read", "vault:proxy", "vault:write"] });
  return { hash, kind: "oat", may: ["oauth:vault:write", "device"], origin: ORIGIN, grant_id };
}

async function world() {
  const { vault, app } = await vaultWithKey();
  return { vault, app, model: await modelOf(vault) };
}

const calls = (vault: Vault, app: App) => refusalOf(authorize(vault, app, "k"));

describe("what a client has revoked", () => {
  it("is over at once, and given back by its person as it was, with all that died of it then and nothing else", async () => {
    const { vault, app, model } = await world();
    const [kept, gone] = [await derive(vault, app), await derive(vault, app)];
    await ask(vault.stub.revokeToken(vault.ada, gone.id));
    const receipt = await ask(vault.stub.revokeToken(model, app.id));
    expect(await calls(vault, app)).toBe("invalid_token revoked");
    expect((await ask(vault.stub.getToken(vault.ada, kept.id))).revoked_at).not.toBeNull();
    // Said again by the client it is the same revocation, which can be taken back as before.
    expect(await ask(vault.stub.revokeToken(model, app.id))).toMatchObject({ revoked_at: receipt.revoked_at });
    expect(await refusalOf(ask(vault.stub.giveTokenBack({ ...model, may: ["session"] }, app.id)))).toBe(
      "insufficient_scope",
    );
    expect(await ask(vault.stub.giveTokenBack(vault.ada, app.id))).toMatchObject({ revoked_at: null });
    expect(await calls(vault, app)).toBe("accepted");
    expect((await ask(vault.stub.getToken(vault.ada, kept.id))).revoked_at).toBeNull();
    expect((await ask(vault.stub.getToken(vault.ada, gone.id))).revoked_at).not.toBeNull();
    expect((await outbox(vault)).map(({ decision }) => decision.action)).toContain("token.restore");
    expect(await refusalOf(ask(vault.stub.giveTokenBack(vault.ada, app.id)))).toBe("not_found");
  });

  it("another client with its tokens too", async () => {
    const { vault, model } = await world();
    const other = await grantTo(vault);
    await ask(vault.stub.revokeGrant(model, other.grant_id));
    expect(await calls(vault, other)).toBe("invalid_token revoked");
    await ask(vault.stub.giveGrantBack(vault.ada, other.grant_id));
    expect(await calls(vault, other)).toBe("accepted");
  });

  it("stays over once its person has revoked it too, or somebody has found it", async () => {
    const { vault, app, model } = await world();
    const [other, found] = [await mintApp(vault), await mintApp(vault)];
    for (const { id } of [app, other, found]) await ask(vault.stub.revokeToken(model, id));
    await ask(vault.stub.revokeToken(vault.ada, app.id));
    const { token, hash } = found;
    await ask(vault.stub.endLeaked({ kind: "app", hash, secret: token }, ORIGIN));
    for (const { id } of [app, found])
      expect(await refusalOf(ask(vault.stub.giveTokenBack(vault.ada, id)))).toBe("not_found");
    await ask(vault.stub.giveTokenBack(vault.ada, other.id));
    expect(await calls(vault, app)).toBe("invalid_token revoked");
    // And what a person has revoked in the first place was never kept.
    await ask(vault.stub.revokeToken(vault.ada, other.id));
    expect(await refusalOf(ask(vault.stub.giveTokenBack(vault.ada, other.id)))).toBe("not_found");
  });

  it("stays over where what it was minted by was revoked meanwhile", async () => {
    const { vault, app, model } = await world();
    const child = await derive(vault, app);
    await ask(vault.stub.revokeToken(model, child.id));
    await ask(vault.stub.revokeToken(vault.ada, app.id));
    expect(await refusalOf(ask(vault.stub.giveTokenBack(vault.ada, child.id)))).toBe("conflict");
    const { device, app: laptop } = await signInDevice(vault);
    const minted = await ask(vault.stub.createToken(device, "of the laptop", {}));
    await ask(vault.stub.revokeToken(model, minted.row.id));
    await ask(vault.stub.revokeDevice(vault.ada, laptop.id));
    expect(await refusalOf(ask(vault.stub.giveTokenBack(vault.ada, minted.row.id)))).toBe("conflict");
    expect((await ask(vault.stub.getToken(vault.ada, minted.row.id))).revoked_at).not.toBeNull();
  });

  it("cannot be had back after seven days, and nothing of it is kept", async () => {
    const { vault, app, model } = await world();
    await ask(vault.stub.revokeToken(model, app.id));
    travel(7 * DAY_MS - 60_000);
    await runAlarm(vault);
    expect(await sql(vault, "SELECT id FROM regret")).toHaveLength(1);
    travel(120_000);
    expect(await refusalOf(ask(vault.stub.giveTokenBack(vault.ada, app.id)))).toBe("not_found");
    await runAlarm(vault);
    expect(await sql(vault, "SELECT id FROM regret")).toEqual([]);
  });
});

describe("a key that a client has deleted", () => {
  it("lies aside for seven days, then nothing of it is left, in the vault or beside it", async () => {
    const { vault, model } = await world();
    const { id } = await ask(vault.stub.getKey(vault.ada, "k"));
    const blobs = async () => (await env.BLOBS.list({ prefix: `${vault.id}/${id}/` })).keys.length;
    await ask(vault.stub.deleteKey(model, "k"));
    travel(7 * DAY_MS - 60_000);
    await runAlarm(vault);
    expect([await blobs(), (await sql(vault, "SELECT name FROM trash")).length]).toEqual([1, 1]);
    travel(120_000);
    await runAlarm(vault);
    expect([await blobs(), (await sql(vault, "SELECT name FROM trash")).length]).toEqual([0, 0]);
    expect(await refusalOf(ask(vault.stub.restoreKey(vault.ada, id)))).toBe("not_found");
  });

  it("lies aside too where a model had a device's token, but not where the device's person deleted it", async () => {
    const { vault } = await world();
    await storeKey(vault, "other");
    const device = await inside(vault, (object) => {
      const parts = object[held];
      const expires_at = Date.now() + DAY_MS;
      const row = { kind: "dev", hash: "h", name: "laptop", policy: {}, expires_at, signed_in_at: null } as const;
      return parts?.tokens.add(row, Date.now()).hash ?? "";
    });
    const by = { hash: device, kind: "dev", origin: ORIGIN } as const;
    await ask(vault.stub.deleteKey({ ...by, may: ["oauth:vault:write", "device"] }, "k"));
    await ask(vault.stub.deleteKey({ ...by, may: ["session", "device"] }, "other"));
    expect((await sql<{ name: string }>(vault, "SELECT name FROM trash")).map(({ name }) => name)).toEqual(["k"]);
  });
});
