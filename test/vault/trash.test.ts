import { env } from "cloudflare:workers";
import { beforeEach, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import type { Caller } from "../../src/vault/tokens/caller.ts";
import { connectedVault, connectionOf, DESTINATION, TokenProvider } from "../support/token_provider.ts";
import {
  authorize,
  evict,
  grantTo,
  inside,
  keyNamed,
  ORIGIN,
  refusalOf,
  runAlarmAfter,
  sql,
  storeKey,
  travel,
  type Vault,
} from "../support/vault.ts";

/** Keys that a client deleted: for seven days they come back whole (SECURITY S21). */
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
let provider: TokenProvider;

beforeEach(() => {
  provider = TokenProvider.standIn();
});

/** A client whose model deletes keys. */
async function clientOf(vault: Vault): Promise<Caller> {
  const { hash } = await grantTo(vault, { scopes: ["vault:read", "vault:write"] });
  return { hash, kind: "oat", may: ["oauth:vault:write"], origin: ORIGIN };
}

const throwAway = async (vault: Vault, name = "k") => ask(vault.stub.deleteKey(await clientOf(vault), name));

const takeBack = (vault: Vault) => ask(vault.stub.restoreKey(vault.ada, "k"));

it("a connected key comes back as it was: tokens, scopes, endpoints and what happened to it", async () => {
  const { vault, app, use } = await connectedVault();
  provider.says = { scope: "a b" };
  await use();
  // Its events' numbers are given to others meanwhile.
  const other = { client_id: "c", client_secret: "s", refresh_token: "refresh-2" };
  await ask(vault.stub.createKey(vault.ada, keyNamed("j", { destination: DESTINATION }), other));
  const before = await ask(vault.stub.getKey(vault.ada, "k"));
  await throwAway(vault);
  await authorize(vault, app, "j");
  expect(await refusalOf(use())).toBe("not_found keys");
  await takeBack(vault);
  await evict(vault);
  expect(await ask(vault.stub.getKey(vault.ada, "k"))).toEqual(before);
  expect(before.oauth).toMatchObject({ state: "connected", scopes: "a b", renewals: 1 });
  expect(await use()).toBe("access-2");
  expect(provider.revoked).toEqual([]);
});

it("and renews itself as before", async () => {
  const { vault, use } = await connectedVault();
  await use();
  await throwAway(vault);
  travel(6 * DAY_MS);
  await takeBack(vault);
  expect(await use()).toBe("access-3");
  expect(provider.dead).toBe(false);
});

it("a renewal that ends while its key lies in the trash is kept there: the refresh token that comes back is not a spent one", async () => {
  const { vault, use } = await connectedVault();
  await use();
  travel(HOUR_MS);
  const client = await clientOf(vault);
  const object = await inside(vault, (one) => one);
  provider.faults.push(async (question) => {
    await object.deleteKey(client, "k");
    return provider.grant(question);
  });
  expect(await refusalOf(use())).toBe("not_found keys");
  await takeBack(vault);
  expect(await use()).toBe("access-3");
  travel(HOUR_MS);
  expect(await use()).toBe("access-4");
  expect(provider).toMatchObject({ asked: 3, dead: false });
  expect((await connectionOf(vault))?.history.map(({ what }) => what)).toEqual(["renewed", "renewed", "renewed"]);
});

it("what nobody wants back is revoked at its provider before it is forgotten", async () => {
  const { vault, use } = await connectedVault();
  await use();
  await throwAway(vault);
  await runAlarmAfter(vault, 7 * DAY_MS + 1_000);
  expect(provider.revoked).toEqual(["refresh-2"]);
  expect(await sql(vault, "SELECT * FROM trash")).toEqual([]);
  expect(await refusalOf(takeBack(vault))).toBe("not_found");
});

it("what a renewal brings to a key that its owner has deleted meanwhile is revoked at once: nothing holds it any more", async () => {
  const { vault, use } = await connectedVault();
  await use();
  travel(HOUR_MS);
  const object = await inside(vault, (one) => one);
  provider.faults.push(async (question) => {
    await object.deleteKey(vault.ada, "k");
    return provider.grant(question);
  });
  expect(await refusalOf(use())).toBe("not_found keys");
  await vi.waitUntil(() => provider.revoked.includes("refresh-3"), 20_000);
});

it("a new data key reaches what lies there too: it opens when it is taken back, and by no older key", async () => {
  const { vault, use, app } = await connectedVault();
  await use();
  await storeKey(vault, "plain");
  await ask(
    vault.stub.rotateKey(vault.ada, "plain", {
      destination: keyNamed("plain").destination,
      secret: { secret: "sk-2" },
      overlap_ms: 600_000,
    }),
  );
  await throwAway(vault);
  await throwAway(vault, "plain");
  await ask(vault.stub.rotateDataKey());
  await runAlarmAfter(vault, 10_001);
  await runAlarmAfter(vault, 61_000);
  expect(await sql(vault, "SELECT id FROM data_key")).toEqual([{ id: 2 }]);
  await takeBack(vault);
  await ask(vault.stub.restoreKey(vault.ada, "plain"));
  await evict(vault);
  expect(await use()).toBe("access-2");
  expect((await authorize(vault, app, "plain")).secret).toEqual({ secret: "sk-2" });
  expect((await authorize(vault, app, "plain", { overlap: true })).secret).toEqual({ secret: "sk-plain" });
  await ask(vault.stub.rollBackKey(vault.ada, "plain", undefined));
  expect((await authorize(vault, app, "plain")).secret).toEqual({ secret: "sk-plain" });
  // What was counted by the numbers that the versions had is told of those that they have.
  const { versions } = await ask(vault.stub.getKey(vault.ada, "plain"));
  const rows = await sql(
    vault,
    "SELECT became FROM version_use WHERE key_id IN (SELECT id FROM api_key WHERE name = 'plain')",
  );
  expect(rows.map(({ became }) => became)).toEqual(versions.map(({ version }) => version).toReversed());
});

it("a key that is taken back while it is sealed anew loses nothing", async () => {
  const { vault, app } = await connectedVault();
  await storeKey(vault, "plain");
  await throwAway(vault, "plain");
  await ask(vault.stub.rotateDataKey());
  const object = await inside(vault, (one) => one);
  const put = env.BLOBS.put.bind(env.BLOBS) as (name: string, value: ArrayBuffer) => Promise<void>;
  let taken = false;
  vi.spyOn(env.BLOBS, "put").mockImplementation(async (name: string, value: unknown) => {
    if (name.includes("/key_") && !taken) {
      taken = true;
      await object.restoreKey(vault.ada, "plain");
      await object.rotateKey(vault.ada, "plain", {
        destination: keyNamed("plain").destination,
        secret: { secret: "sk-2" },
        overlap_ms: 0,
      });
    }
    await put(name, value as ArrayBuffer);
  });
  for (let n = 0; n < 3; n++) await runAlarmAfter(vault, 61_000);
  expect(taken).toBe(true);
  expect(await sql(vault, "SELECT id FROM data_key")).toEqual([{ id: 2 }]);
  await evict(vault);
  expect((await authorize(vault, app, "plain")).secret).toEqual({ secret: "sk-2" });
  await ask(vault.stub.rollBackKey(vault.ada, "plain", undefined));
  expect((await authorize(vault, app, "plain")).secret).toEqual({ secret: "sk-plain" });
});
