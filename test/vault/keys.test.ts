import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import {
  type App,
  ORIGIN,
  type Vault,
  authorize,
  evict,
  grantTo,
  inside,
  keyNamed,
  mintApp,
  newVault,
  refusalOf,
  runAlarmAfter,
  sql,
  storeKey,
  vaultWithKey,
} from "../support/vault.ts";

async function blobsOf({ id }: Vault): Promise<string[]> {
  const { keys } = await env.BLOBS.list({ prefix: `${id}/key_` });
  return keys.map(({ name }) => name);
}

describe("names", () => {
  it("one name goes to one key: of two writers at once one gets 409 and leaves no blob behind", async () => {
    const vault = await newVault();
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, i) => refusalOf(storeKey(vault, "openai", `sk-${i}`))),
    );
    expect(answers.filter((answer) => answer === "accepted")).toHaveLength(1);
    expect(answers.filter((answer) => answer === "conflict")).toHaveLength(5);
    const [key, ...others] = await ask(vault.stub.listKeys(vault.ada, undefined, 10, {}));
    expect(others).toEqual([]);
    expect(await blobsOf(vault)).toEqual([`${vault.id}/${key?.id}/1`]);
    const { secret } = await authorize(vault, await mintApp(vault), "openai");
    expect(secret).toEqual({ secret: `sk-${answers.indexOf("accepted")}` });
  });

  it("fifty names of before are a key's at most: nobody goes through them all, and it may go back to any", async () => {
    const vault = await newVault();
    const { id } = await storeKey(vault, "name-0");
    const rename = (n: number) => refusalOf(ask(vault.stub.changeKey(vault.ada, id, { name: `name-${n}` })));
    for (let n = 1; n <= 50; n++) expect(await rename(n)).toBe("accepted");
    expect([await rename(51), await rename(7)]).toEqual(["conflict", "accepted"]);
  });

  it("leads to a key by id and by name, and is free again once the key is deleted", async () => {
    const vault = await newVault();
    const app = await mintApp(vault);
    const key = await storeKey(vault, "openai@prod", "sk-old");
    for (const ref of [key.id, "openai@prod"])
      expect((await authorize(vault, app, ref)).secret).toEqual({ secret: "sk-old" });
    await ask(vault.stub.deleteKey(vault.ada, "openai@prod"));
    expect(await refusalOf(authorize(vault, app, key.id))).toBe("not_found keys");
    await vi.waitFor(async () => expect(await blobsOf(vault)).toEqual([]), 20_000);
    await storeKey(vault, "openai@prod", "sk-new");
    expect((await authorize(vault, app, "openai@prod")).secret).toEqual({ secret: "sk-new" });
    expect(await refusalOf(authorize(vault, app, key.id))).toBe("not_found keys");
  });
});

describe("a rotation under an Idempotency-Key", () => {
  it("is done once and answered at once, also while KV does not forget the oldest version", async () => {
    const vault = await newVault();
    const key = await storeKey(vault, "k");
    const rotate = (to: number) => {
      const caller = { ...vault.ada, repeatable: { key: `to-${to}`, digest: "d" } };
      const next = { destination: keyNamed("k").destination, secret: { secret: `sk-${to}` }, overlap_ms: 0 };
      return ask(vault.stub.rotateKey(caller, "k", next));
    };
    for (let to = 2; to <= 10; to++) await rotate(to);
    // An eleventh version is one too many. What waits for KV here has not stored its answer, should the runtime go meanwhile.
    const late = Promise.withResolvers<undefined>();
    vi.spyOn(env.BLOBS, "delete").mockReturnValue(late.promise);
    const first = await rotate(11);
    expect(await rotate(11)).toEqual(first);
    late.resolve(undefined);
    vi.restoreAllMocks();
    expect(await sql(vault, "SELECT max(version) AS newest FROM key_version WHERE key_id = ?", key.id)).toEqual([
      { newest: 11 },
    ]);
  });
});

describe("caps", () => {
  it("refuses the key after the 2,000th", async () => {
    const vault = await newVault();
    await inside(vault, (_vault, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
         INSERT INTO api_key (id, name, provider, version, last_version, tags, scrub, revealable, created_at, updated_at)
         SELECT 'key_' || i, 'k' || i, 'custom', 1, 1, '[]', 0, 0, 0, 0 FROM n`,
      );
    });
    await storeKey(vault, "the-last");
    expect(await refusalOf(storeKey(vault, "one-too-many"))).toBe("conflict");
    expect(await blobsOf(vault)).toHaveLength(1);
  });

  it("refuses the live token after the 1,000th, and ends the oldest session instead of refusing the 51st", async () => {
    const vault = await newVault();
    const fill = (kind: string, count: number) =>
      sql(
        vault,
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
         INSERT INTO token (id, kind, hash, name, policy, created_at)
         SELECT ?1 || '_0' || printf('%05d', i), ?1, ?1 || i, 'x', '{}', 0 FROM n`,
        kind,
        count,
      );
    await fill("app", 999);
    const app = await mintApp(vault);
    expect(await refusalOf(mintApp(vault))).toBe("conflict");
    await ask(vault.stub.revokeToken(vault.ada, app.id));
    await mintApp(vault);
    await fill("ses", 49);
    await ask(
      vault.stub.signIn(vault.account_id, { ...(await identity(vault)), email_verified: true }, vault.ada.origin),
    );
    const live = await sql<{ n: number }>(
      vault,
      "SELECT count(*) AS n FROM token WHERE kind = 'ses' AND revoked_at IS NULL",
    );
    expect(live).toEqual([{ n: 50 }]);
    expect(await sql(vault, "SELECT id FROM token WHERE kind = 'ses' AND revoked_at IS NOT NULL")).toEqual([
      { id: "ses_000001" },
    ]);
  });
});

describe("what is at rest", () => {
  beforeEach(() => void vi.spyOn(console, "error").mockReturnValue());
  afterEach(() => void vi.restoreAllMocks());

  it("holds no secret and no token in the clear: not in any table, not in KV, not in any usual spelling", async () => {
    const vault = await newVault();
    const secret = "sk-live-Zq9fW2xKp7TnR4vB8mLc";
    await ask(vault.stub.createKey(vault.ada, keyNamed("k", { scrub: true }), { secret }));
    await ask(vault.stub.createKey(vault.ada, keyNamed("pair"), { username: "u", password: `${secret}-2` }));
    const app = await mintApp(vault);
    const { lease } = await authorize(vault, app, "k", { path: `/v1/${app.token.slice(0, 60)}` });
    const places = [...(await tables(vault)), ...(await values(vault))];
    expect(places.length).toBeGreaterThan(20);
    const words = [secret, app.token, app.token.slice(34, 77), lease].flatMap(spellings);
    for (const { where, bytes } of places)
      for (const word of words) expect(bytes.includes(word), `${where} holds ${word.toString()}`).toBe(false);
    // The look-out itself works: what is kept in the clear is found.
    expect(places.some(({ bytes }) => bytes.includes("https://api.example"))).toBe(true);
  });

  it("a version's blob has a name of its own in KV, sealed anew for every key", async () => {
    const vault = await newVault();
    const [a, b] = [await storeKey(vault, "a", "same"), await storeKey(vault, "b", "same")];
    expect((await blobsOf(vault)).toSorted()).toEqual([`${vault.id}/${a.id}/1`, `${vault.id}/${b.id}/1`].toSorted());
    const [one, two] = await Promise.all([a, b].map(({ id }) => env.BLOBS.get(`${vault.id}/${id}/1`, "arrayBuffer")));
    expect(Buffer.from(one as ArrayBuffer).equals(Buffer.from(two as ArrayBuffer))).toBe(false);
  });

  it("a blob moved to another key's name does not open there", async () => {
    const vault = await newVault();
    const [a, b] = [await storeKey(vault, "a", "sk-a"), await storeKey(vault, "b", "sk-b")];
    await sql(vault, "UPDATE key_version SET sealed = NULL");
    await env.BLOBS.put(
      `${vault.id}/${a.id}/1`,
      (await env.BLOBS.get(`${vault.id}/${b.id}/1`, "arrayBuffer")) as ArrayBuffer,
    );
    await evict(vault);
    const app = await mintApp(vault);
    expect(await refusalOf(authorize(vault, app, "a"))).toBe("unavailable");
    expect((await authorize(vault, app, "b")).secret).toEqual({ secret: "sk-b" });
  });

  it("a destination changed in the vault's own table does not open the secret", async () => {
    const vault = await newVault();
    await storeKey(vault, "a");
    await sql(vault, "UPDATE key_version SET destination = replace(destination, 'api.example', 'evil.example')");
    await evict(vault);
    expect(await refusalOf(authorize(vault, await mintApp(vault), "a"))).toBe("unavailable");
  });
});

describe("uses of a key's versions", () => {
  afterEach(() => {});

  const rotate = (vault: Vault, secret: string) =>
    ask(
      vault.stub.rotateKey(vault.ada, "k", {
        destination: keyNamed("k").destination,
        secret: { secret },
        overlap_ms: 600_000,
      }),
    );
  const usesOf = async (vault: Vault) => {
    const { versions } = await ask(vault.stub.keyVersions(vault.ada, "k"));
    return versions.map(({ version, uses, kept }) => [version, uses, kept !== undefined]);
  };
  const call = async (vault: Vault, app: App, more: { overlap?: boolean } = {}, outcome: "ok" | "refused" = "ok") => {
    const { seq } = await authorize(vault, app, "k", more);
    await ask(vault.stub.settle([{ seq, outcome }]));
  };

  it("are counted by the secret that was handed out, also while a rotation overlaps, and the same before and after shipping", async () => {
    const { vault, app } = await vaultWithKey();
    for (let i = 0; i < 3; i++) await call(vault, app);
    await rotate(vault, "sk-2");
    for (let i = 0; i < 2; i++) await call(vault, app);
    await call(vault, app, { overlap: true });
    await call(vault, app, {}, "refused");
    const counted = [
      [2, 2, true],
      [1, 4, true],
    ];
    expect(await usesOf(vault)).toEqual(counted);
    await runAlarmAfter(vault, 10_001);
    expect(await sql(vault, "SELECT version, uses FROM version_use ORDER BY version")).toEqual([
      { version: 1, uses: 4 },
      { version: 2, uses: 2 },
    ]);
    expect(await usesOf(vault)).toEqual(counted);
    await ask(vault.stub.rollBackKey(vault.ada, "k", 1));
    await call(vault, app);
    expect(await usesOf(vault)).toEqual([
      [2, 2, true],
      [1, 5, true],
    ]);
    const [key] = await ask(vault.stub.listKeys(vault.ada, undefined, 10, {}));
    expect(key?.uses).toBe(7);
  });

  it("follow a version that a new data key seals under another number, and outlive one that is kept no more", async () => {
    const { vault, app } = await vaultWithKey();
    await call(vault, app);
    await runAlarmAfter(vault, 10_001);
    await call(vault, app);
    await ask(vault.stub.rotateDataKey());
    await runAlarmAfter(vault, 10_001);
    await call(vault, app);
    expect(await usesOf(vault)).toEqual([[2, 3, true]]);
    await ask(vault.stub.rotateDataKey());
    await runAlarmAfter(vault, 61_000);
    await runAlarmAfter(vault, 61_000);
    expect(await usesOf(vault)).toEqual([[3, 3, true]]);
    for (let n = 0; n < 11; n++) await rotate(vault, `sk-${n}`);
    expect((await usesOf(vault)).at(-1)).toEqual([3, 3, false]);
  });

  it("of a key that was deleted meanwhile are not in the way of shipping, and come back with one that is brought back", async () => {
    const { vault, app } = await vaultWithKey();
    await call(vault, app);
    await ask(vault.stub.deleteKey(vault.ada, "k"));
    await runAlarmAfter(vault, 10_001);
    expect(await sql(vault, "SELECT * FROM version_use")).toEqual([]);
    expect(await sql(vault, "SELECT seq FROM audit")).toEqual([]);
    const key = await storeKey(vault, "k");
    await call(vault, app);
    await runAlarmAfter(vault, 10_001);
    const agent = await grantTo(vault, { scopes: ["vault:read", "vault:write"] });
    const caller = { hash: agent.hash, kind: "oat", may: ["oauth:vault:write"], origin: ORIGIN } as const;
    await ask(vault.stub.deleteKey(caller, "k"));
    expect(await ask(vault.stub.deletedKeys(vault.ada))).toMatchObject([{ id: key.id, name: "k", provider: "custom" }]);
    await ask(vault.stub.restoreKey(vault.ada, key.id));
    expect(await usesOf(vault)).toEqual([[1, 1, true]]);
    expect(await ask(vault.stub.deletedKeys(vault.ada))).toEqual([]);
  });
});

async function identity(vault: Vault) {
  const [row] = await sql<{ issuer: string; subject: string; email: string; name: string }>(
    vault,
    "SELECT issuer, subject, email, name FROM identity",
  );
  return row as NonNullable<typeof row>;
}

/** Every value of every table, as bytes. */
async function tables(vault: Vault): Promise<{ where: string; bytes: Buffer }[]> {
  const names = await sql<{ name: string }>(
    vault,
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
  );
  const found = await Promise.all(
    names.map(async ({ name }) => {
      const rows = await sql(vault, `SELECT * FROM "${name}"`);
      return rows.flatMap((row) =>
        Object.entries(row).map(([column, value]) => {
          const bytes = value instanceof ArrayBuffer ? Buffer.from(value) : Buffer.from(String(value));
          return { where: `${name}.${column}`, bytes };
        }),
      );
    }),
  );
  return found.flat();
}

/** Everything of this vault in KV. */
async function values({ id }: Vault): Promise<{ where: string; bytes: Buffer }[]> {
  const { keys } = await env.BLOBS.list({ prefix: id });
  return Promise.all(
    keys.map(async ({ name }) => ({
      where: name,
      bytes: Buffer.from((await env.BLOBS.get(name, "arrayBuffer")) ?? new ArrayBuffer()),
    })),
  );
}

function spellings(word: string): Buffer[] {
  const bytes = Buffer.from(word);
  // Base64 of a text depends on where it begins: its middle is the same for each of the three alignments.
  const base64 = [0, 1, 2].map((at) =>
    Buffer.concat([Buffer.alloc(at), bytes])
      .toString("base64")
      .slice(4, -4),
  );
  const texts = [word, ...base64, bytes.toString("base64url").slice(0, -2), bytes.toString("hex"), word.toUpperCase()];
  return texts.map((text) => Buffer.from(text));
}
