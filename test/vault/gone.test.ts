import { listDurableObjectIds, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { DurableObject, env, exports } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { base62 } from "../../src/crypto/encoding.ts";
import { newVaultId } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Caller } from "../../src/vault/tokens/caller.ts";
import { UserVault } from "../../src/vault/vault.ts";
import {
  ADA,
  ORIGIN,
  authorize,
  evict,
  keyNamed,
  mintApp,
  newVault,
  refusalOf,
  signIn,
  sql,
  storeKey,
} from "../support/vault.ts";

const CALLER: Caller = { hash: "h", kind: "ses", may: ["session"], origin: ORIGIN };
const QUESTION = { hash: "h", key: "k", method: "GET", path: "/", overridden: false, ...ORIGIN };

/** Everything that an object can hold. */
function contentsOf(stub: DurableObjectStub<UserVault>) {
  return runInDurableObject(stub, async (_vault, { storage }) => ({
    schema: storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
    entries: [...(await storage.list()).keys()],
    alarm: await storage.getAlarm(),
  }));
}

const NOTHING = { schema: [], entries: [], alarm: null };

/** Ways into an object, asked as the router asks. Methods that are not here are tried with whatever they may take. */
const WAYS: Record<string, (stub: DurableObjectStub<UserVault>) => Promise<unknown>> = {
  signIn: (stub) => stub.signIn("acc", ADA, ORIGIN),
  link: (stub) => stub.link(CALLER, ADA),
  signOut: (stub) => stub.signOut(CALLER),
  me: (stub) => stub.me(CALLER),
  createKey: (stub) => stub.createKey(CALLER, keyNamed("k"), { secret: "s" }),
  listKeys: (stub) => stub.listKeys(CALLER, undefined, 10, {}),
  getKey: (stub) => stub.getKey(CALLER, "k"),
  pauseKey: (stub) => stub.pauseKey(CALLER, "k"),
  resumeKey: (stub) => stub.resumeKey(CALLER, "k"),
  deleteKey: (stub) => stub.deleteKey(CALLER, "k"),
  createToken: (stub) => stub.createToken(CALLER, "t", {}, "hourly"),
  refreshToken: (stub) => stub.refreshToken({ ...CALLER, kind: "ref", secret: base62(new Uint8Array(32)) }),
  listTokens: (stub) => stub.listTokens(CALLER, undefined, 10),
  renameSession: (stub) => stub.renameSession(CALLER, "ses_1", "n"),
  listSessions: (stub) => stub.listSessions(CALLER, undefined, 10),
  getToken: (stub) => stub.getToken(CALLER, "t"),
  pauseToken: (stub) => stub.pauseToken(CALLER, "t"),
  resumeToken: (stub) => stub.resumeToken(CALLER, "t"),
  revokeToken: (stub) => stub.revokeToken(CALLER, "t"),
  authorize: (stub) => stub.authorize(QUESTION, [{ seq: 1, outcome: "ok" }]),
  settle: (stub) => stub.settle([{ seq: 1, outcome: "ok" }]),
  activity: (stub) => stub.activity(CALLER, 10, 10, {}),
  fetch: (stub) => stub.fetch("https://vault/", { method: "POST", body: "x" }).then((answer) => answer.status),
  "fetch of a leash": async (stub) => {
    const headers = { upgrade: "websocket", "x-leash-seq": "1", "x-leash-lease": "l", "x-partykit-props": "e30=" };
    const answer = await stub.fetch("https://vault/?_pk=1", { headers });
    return answer.webSocket ?? answer.status;
  },
  alarm: (stub) => runInDurableObject(stub, (vault) => vault.alarm()),
};

/** All that is callable over RPC, partyserver's own methods included. */
function methods(): string[] {
  const names = new Set<string>();
  for (let at: object = UserVault.prototype; at !== DurableObject.prototype; at = Object.getPrototypeOf(at) as object)
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  for (const not_a_question of ["constructor", "create", "name"]) names.delete(not_a_question);
  return [...names];
}

describe("a name without a vault", () => {
  it.each(Object.keys(WAYS))("stays empty after %s", async (way) => {
    const stub = env.USER_VAULT.getByName(newVaultId());
    const answer = await WAYS[way]?.(stub);
    expect(JSON.stringify(answer ?? null)).not.toMatch(/"ok":true/);
    expect(await contentsOf(stub)).toEqual(NOTHING);
  });

  it.each(methods().filter((name) => !(name in WAYS)))("stays empty after %s with anything", async (method) => {
    const stub = env.USER_VAULT.getByName(newVaultId());
    // Asked inside the object, where a fault is not logged as a crash; what may be called there may be called from outside.
    const silent = (["error", "warn", "info", "log"] as const).map((level) =>
      vi.spyOn(console, level).mockReturnValue(),
    );
    await runInDurableObject(stub, async (vault) => {
      for (const given of [[], [CALLER, "x", "x"], [["CREATE TABLE x (y)"]], [stub.name, {}]])
        await Promise.try(vault[method as "alarm"].bind(vault) as (...given: unknown[]) => unknown, ...given).catch(
          () => {},
        );
    });
    for (const spy of silent) spy.mockRestore();
    expect(await contentsOf(stub)).toEqual(NOTHING);
  });

  it("answers gone to a sign-in, a dead token to a call, and nothing to a fetch", async () => {
    const stub = env.USER_VAULT.getByName(newVaultId());
    expect(await refusalOf(ask(stub.signIn("acc", ADA, ORIGIN)))).toBe("gone");
    expect(await refusalOf(ask(stub.authorize(QUESTION, [])))).toBe("invalid_token");
    expect(await WAYS.fetch?.(stub)).toBe(404);
    expect(await WAYS["fetch of a leash"]?.(stub)).toBe(404);
    expect(await runDurableObjectAlarm(stub)).toBe(false);
    expect(await contentsOf(stub)).toEqual(NOTHING);
  });

  it("is not even woken by a token that was forged", async () => {
    const before = await listDurableObjectIds(env.USER_VAULT);
    const token = `alk_app_${"0".repeat(97)}`;
    const headers = { host: "localhost:8421", authorization: `Bearer ${token}` };
    const answer = await exports.default.fetch("http://localhost:8421/v1/proxy/k/", { headers });
    expect(answer.status).toBe(401);
    expect(await listDurableObjectIds(env.USER_VAULT)).toEqual(before);
  });
});

describe("making a vault", () => {
  it("twice changes nothing, and is refused to another account", async () => {
    const vault = await newVault();
    await storeKey(vault, "kept");
    const before = await sql(vault, "SELECT * FROM data_key");
    await ask(vault.stub.create(vault.account_id, ADA));
    await evict(vault);
    await ask(vault.stub.create(vault.account_id, ADA));
    expect(await refusalOf(ask(vault.stub.create("acc_other", ADA)))).toBe("gone");
    expect(await sql(vault, "SELECT * FROM data_key")).toEqual(before);
    expect(await sql(vault, "SELECT account_id FROM vault")).toEqual([{ account_id: vault.account_id }]);
    const app = await mintApp(vault);
    expect((await authorize(vault, app, "kept")).secret).toEqual({ secret: "sk-kept" });
  });

  it("many times at once leaves one data key that opens, and no share but its own", async () => {
    const id = newVaultId();
    const stub = env.USER_VAULT.getByName(id);
    await Promise.all(Array.from({ length: 8 }, () => ask(stub.create("acc", ADA))));
    const vault = { id, stub, account_id: "acc", ada: await signIn(stub, "acc") };
    const keys = await sql<{ share_name: string }>(vault, "SELECT share_name FROM data_key");
    expect(keys).toHaveLength(1);
    const { keys: names } = await env.BLOBS.list({ prefix: `${id}/share/` });
    expect(names.map(({ name }) => name)).toEqual([keys[0]?.share_name]);
    await storeKey(vault, "k");
    await evict(vault);
    expect((await authorize(vault, await mintApp(vault), "k")).secret).toEqual({ secret: "sk-k" });
  });

  it("at once for two accounts makes it for one of them and refuses the other", async () => {
    const stub = env.USER_VAULT.getByName(newVaultId());
    const answers = await Promise.all(["acc_1", "acc_2"].map((account) => refusalOf(ask(stub.create(account, ADA)))));
    expect(answers.toSorted()).toEqual(["accepted", "gone"]);
    const winner = `acc_${answers.indexOf("accepted") + 1}`;
    expect(await refusalOf(ask(stub.signIn(winner, ADA, ORIGIN)))).toBe("accepted");
  });
});

describe("signing in", () => {
  it("is refused to an identity that this vault does not hold, whatever the directory hints", async () => {
    const { stub, account_id } = await newVault();
    const strangers = [
      { ...ADA, subject: "mallory" },
      { ...ADA, issuer: "https://evil.example" },
      // Never by e-mail: the same address at another provider is somebody else.
      { ...ADA, issuer: "https://github.com", subject: "1" },
    ];
    for (const stranger of strangers)
      expect(await refusalOf(ask(stub.signIn(account_id, stranger, ORIGIN)))).toBe("gone");
    expect(await refusalOf(ask(stub.signIn("acc_other", ADA, ORIGIN)))).toBe("gone");
    expect(await refusalOf(ask(stub.signIn(account_id, ADA, ORIGIN)))).toBe("accepted");
  });

  it("refuses nobody's attempt into the list of those who may", async () => {
    const vault = await newVault();
    await refusalOf(ask(vault.stub.signIn(vault.account_id, { ...ADA, subject: "mallory" }, ORIGIN)));
    await refusalOf(ask(vault.stub.create(vault.account_id, { ...ADA, subject: "mallory" })));
    expect(await sql(vault, "SELECT subject FROM identity")).toEqual([{ subject: "ada" }]);
  });
});
