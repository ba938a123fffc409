import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parseKeyRing } from "../../src/config.ts";
import { base62, checksum } from "../../src/crypto/encoding.ts";
import { mintToken as mintUnder, newVaultId, verifyToken, type TokenKind } from "../../src/crypto/token.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { Scrubber } from "../../src/proxy/scrub.ts";
import { proxy } from "../../src/proxy/send.ts";
import { newHolder, problemIn, send } from "../support/holder.ts";
import { activity, startLocker } from "../support/locker.ts";

const RING = parseKeyRing("TOKEN_KEYS", `00:${Buffer.alloc(32, 7).toString("base64")}`);
const KINDS: TokenKind[] = ["app", "ref", "dev", "ses", "oac", "oat", "ort", "dc"];

/** Somebody else's ring under the same key id: everything about such a token is right but its MAC. */
const forger = () => parseKeyRing("TOKEN_KEYS", `00:${randomBytes(32).toString("base64")}`);

const pick = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)] as T;

/** One character other than it was, with or without a checksum that fits. */
function damaged(token: string, fit: boolean): string {
  const at = 8 + Math.floor(Math.random() * (token.length - 14));
  const other = pick([..."0123456789ABCDEFabcdef"].filter((letter) => letter !== token[at]));
  const body = token.slice(0, at) + other + token.slice(at + 1, -6);
  return body + (fit ? checksum(body) : token.slice(-6));
}

/** Forgeries of every sort, for vaults that are there and that are not. */
function* forgeries(count: number, real: string, vaults: readonly string[]): Generator<string> {
  const stranger = forger();
  for (let at = 0; at < count; at++) {
    const vault = at % 2 === 0 ? pick(vaults) : newVaultId();
    const forged = mintUnder(stranger, pick(KINDS), vault).token;
    yield [
      forged,
      damaged(real, true),
      damaged(real, false),
      real.replace("alk_app_", `alk_${pick(KINDS.slice(1))}_`),
      // The real one's secret and MAC with another vault in between.
      ((body: string) => body + checksum(body))(real.slice(0, 10) + newVaultId() + real.slice(34, -6)),
      // A key id that nobody has.
      ((body: string) => body + checksum(body))(`alk_app_zz${real.slice(10, -6)}`),
      `alk_app_${base62(randomBytes(90)).slice(0, 115)}`,
      `alk_app_${"0".repeat(64 + (at % 97))}`,
    ][at % 8] as string;
  }
}

describe("at the real thing", () => {
  let locker: LocalLocker;
  beforeAll(async () => {
    locker = await startLocker();
  });
  afterAll(() => locker.stop());

  /** All that is stored anywhere: objects by their files, KV by its names, D1 by its rows. */
  async function stored() {
    const folder = join(locker.state.folder, "data");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => /\.sqlite$/.test(name));
    const names: string[] = [];
    const blobs = await locker.miniflare.getKVNamespace("BLOBS");
    for (let cursor: string | undefined; ;) {
      const page = await blobs.list(cursor === undefined ? {} : { cursor });
      names.push(...page.keys.map(({ name }) => name));
      if (page.list_complete) break;
      cursor = page.cursor;
    }
    const db = await locker.miniflare.getD1Database("DB");
    const tables = await db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
      .all<{ name: string }>();
    const rows: Record<string, number> = {};
    for (const { name } of tables.results) {
      // What a vault has recorded so far reaches D1 in its own time.
      if (!name.startsWith("audit"))
        rows[name] = (await db.prepare(`SELECT count(*) AS n FROM "${name}"`).first<number>("n")) ?? -1;
    }
    return { files: files.toSorted(), names: names.toSorted(), rows };
  }

  /** Objects that hold anything of ours: being asked makes Miniflare note a name, and that is not ours. */
  function vaults() {
    const folder = join(locker.state.folder, "data", "do", "apilocker-UserVault");
    return readdirSync(folder).filter((name) => {
      if (!/^[0-9a-f]{64}\.sqlite$/.test(name)) return false;
      const file = new DatabaseSync(join(folder, name), { readOnly: true });
      const tables = file
        .prepare("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_\\_miniflare%' ESCAPE '\\'")
        .all();
      file.close();
      return tables.length > 0;
    });
  }

  test("thousands of forged tokens make no object, no blob, no row and no record, and reach no upstream", async () => {
    const holder = await newHolder(locker);
    const ring = parseKeyRing("TOKEN_KEYS", tokenKeysOf(locker));
    const { vault_id } = verifyToken(ring, holder.token);
    await holder.call("/v1");
    await holder.row("/v1");
    const before = await stored();
    const rowsBefore = (await activity(holder.person, 200)).map(({ id }) => id);

    const tokens = [...forgeries(4_000, holder.token, [vault_id])].filter((token) => token !== holder.token);
    const answers = new Set<string>();
    for (let at = 0; at < tokens.length; at += 100) {
      const some = tokens.slice(at, at + 100);
      const refused = await Promise.all(
        some.map((token) => send(`${holder.base}/v1`, { headers: { authorization: `Bearer ${token}` } })),
      );
      for (const answer of refused) answers.add(`${answer.status} ${problemIn(answer).detail}`);
    }

    // One answer for all: nothing tells a vault that is there from one that is not.
    expect([...answers]).toEqual(["401 This is not a token of ours."]);
    expect(await stored()).toEqual(before);
    expect((await activity(holder.person, 200)).map(({ id }) => id)).toEqual(rowsBefore);
    expect(holder.upstream.seen).toHaveLength(1);
  });

  test("a token that is rightly signed for a vault that is not there is refused and leaves no vault behind", async () => {
    const { base } = await newHolder(locker);
    const ring = parseKeyRing("TOKEN_KEYS", tokenKeysOf(locker));
    const [before, { names, rows }] = [vaults(), await stored()];
    for (let at = 0; at < 20; at++) {
      const { token } = mintUnder(ring, "app", newVaultId());
      expect((await send(`${base}/v1`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401);
    }
    expect(before.length).toBeGreaterThan(0);
    expect(vaults()).toEqual(before);
    expect(await stored()).toMatchObject({ names, rows });
  });
});

/** The deployment's own secret, from the folder where a local run keeps it. */
function tokenKeysOf(locker: LocalLocker): string {
  return (JSON.parse(readFileSync(join(locker.state.folder, "secrets.json"), "utf8")) as { TOKEN_KEYS: string })
    .TOKEN_KEYS;
}

describe("in the router", () => {
  const touched: string[] = [];
  /** A binding that notes whatever is done with it. */
  const trap = (name: string) =>
    new Proxy({}, { get: (_target, property) => (touched.push(`${name}.${String(property)}`), undefined) });
  const env = {
    PUBLIC_ORIGIN: "https://locker.example",
    PROXY_ORIGIN: "https://proxy.example",
    ROOT_KEYS: `00:${Buffer.alloc(32, 3).toString("base64")}`,
    TOKEN_KEYS: `00:${Buffer.alloc(32, 7).toString("base64")}`,
    USER_VAULT: trap("USER_VAULT"),
    BLOBS: trap("BLOBS"),
    DB: trap("DB"),
    SIGN_IN_LIMIT: trap("SIGN_IN_LIMIT"),
  } as unknown as Env;
  const context = { waitUntil: () => {}, passThroughOnException: () => {} } as unknown as ExecutionContext;
  const ask = (token: string, more: Record<string, string> = {}) =>
    proxy(
      new Request("https://proxy.example/v1/proxy/api/x", { headers: { "x-api-key": token, ...more } }),
      env,
      context,
    );

  test("a forged token is refused by arithmetic alone: no binding is so much as looked at", async () => {
    const real = mintUnder(RING, "app", newVaultId()).token;
    for (const token of forgeries(10_000, real, [newVaultId()])) {
      if (token === real) continue;
      expect((await ask(token)).status).toBe(401);
    }
    expect(touched).toEqual([]);
  });

  test("nobody looks for a second copy of what is none of ours, which is dear", async () => {
    const searched = vi.spyOn(Scrubber.prototype, "text");
    for (const ring of [forger(), RING]) {
      const { token } = mintUnder(ring, "app", newVaultId());
      expect((await ask(token, { "x-copy": Buffer.from(token).toString("base64") })).status).toBe(401);
      expect(searched.mock.calls.length > 0).toBe(ring === RING);
    }
  });

  test("only the right signature makes it look for the vault", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    await ask(mintUnder(RING, "app", newVaultId()).token);
    expect(touched.every((name) => name.startsWith("USER_VAULT."))).toBe(true);
    expect(touched.length).toBeGreaterThan(0);
  });
});
