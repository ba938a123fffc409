import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { configOf, parseKeyRing, type Config } from "../../src/config.ts";
import { ask } from "../../src/vault/answer.ts";
import { held } from "../../src/vault/surface.ts";
import { newRotating, refreshWith } from "../support/refresh.ts";
import {
  type Vault,
  authorize,
  evict,
  inside,
  keyNamed,
  mintApp,
  newVault,
  refusalOf,
  runAlarmAfter,
  sql,
  storeKey,
  travel,
} from "../support/vault.ts";

type Writable = { -readonly [K in keyof Config]: Config[K] };
let restore = () => {};
const R1 = `r1:${"A".repeat(43)}=`;
const R2 = `r2:${"C".repeat(42)}A=`;

/** What ROOT_KEYS holds from the object's next life on. */
async function roots(vault: Vault, text: string): Promise<void> {
  await inside(vault, (object) => {
    const config = configOf(object[held]?.env ?? {}) as Writable;
    const before = config.root_keys;
    const earlier = restore;
    restore = () => {
      config.root_keys = before;
      earlier();
    };
    config.root_keys = parseKeyRing("ROOT_KEYS", text);
  });
  await evict(vault);
}

afterEach(() => {
  restore();
  restore = () => {};
});

const rootsOf = async (vault: Vault) =>
  (await sql<{ root_id: string }>(vault, "SELECT root_id FROM data_key ORDER BY id")).map(({ root_id }) => root_id);

async function lived() {
  const vault = await newVault();
  await storeKey(vault, "k");
  return { vault, app: await mintApp(vault), rotating: await newRotating(vault, "monthly") };
}

/** The secret as a call gets it, from the sealed blob. */
async function opened(vault: Vault, app: Awaited<ReturnType<typeof mintApp>>, key = "k") {
  await evict(vault);
  return (await authorize(vault, app, key)).secret;
}

describe("a new root key", () => {
  it("is moved to by whoever wakes, and the old one can then be removed", async () => {
    const { vault, app } = await lived();
    await roots(vault, `${R2},${R1}`);
    expect(await opened(vault, app)).toEqual({ secret: "sk-k" });
    expect(await rootsOf(vault)).toEqual(["r2"]);
    await roots(vault, R2);
    expect(await opened(vault, app)).toEqual({ secret: "sk-k" });
  });

  it("is moved to by a sweep, also where nobody wakes; doing it twice at once is doing it once", async () => {
    const { vault, app } = await lived();
    await roots(vault, `${R2},${R1}`);
    await evict(vault);
    const answers = await Promise.all([1, 2, 3].map(() => ask(vault.stub.rewrap())));
    expect(answers).toEqual(Array.from({ length: 3 }, () => ({ root_id: "r2" })));
    await roots(vault, R2);
    expect(await opened(vault, app)).toEqual({ secret: "sk-k" });
  });

  it("that came without the old one is our trouble: 503, nothing is lost once it is back", async () => {
    const { vault, app } = await lived();
    await roots(vault, R2);
    vi.spyOn(console, "error").mockReturnValue();
    await evict(vault);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("unavailable");
    expect(await refusalOf(ask(vault.stub.rewrap()))).toBe("unavailable");
    await roots(vault, `${R2},${R1}`);
    expect(await opened(vault, app)).toEqual({ secret: "sk-k" });
  });

  it("does not break an Idempotency-Key that was used under the old one", async () => {
    const { vault } = await lived();
    const caller = { ...vault.ada, repeatable: { key: "once", digest: "d" } };
    const first = await ask(vault.stub.createToken(caller, "t", {}));
    await roots(vault, `${R2},${R1}`);
    await evict(vault);
    expect(await ask(vault.stub.createToken(caller, "t", {}))).toEqual(first);
    const other = { ...caller, repeatable: { key: "once", digest: "another" } };
    expect(await refusalOf(ask(vault.stub.createToken(other, "t", {})))).toBe("invalid_request");
  });
});

describe("a new data key", () => {
  it("seals everything anew under new names, and the old key and its share are gone", async () => {
    const { vault, app, rotating } = await lived();
    const key = await ask(vault.stub.getKey(vault.ada, "k"));
    await ask(
      vault.stub.rotateKey(vault.ada, "k", {
        destination: keyNamed("k").destination,
        secret: { secret: "sk-2" },
        overlap_ms: 600_000,
      }),
    );
    const blobs = async () => (await env.BLOBS.list({ prefix: vault.id })).keys.map(({ name }) => name);
    const old = await blobs();
    expect(await ask(vault.stub.rotateDataKey())).toEqual({ data_key: 2 });
    await runAlarmAfter(vault, 10_001);
    expect(await opened(vault, app)).toEqual({ secret: "sk-2" });
    expect((await authorize(vault, app, "k", { overlap: true })).secret).toEqual({ secret: "sk-k" });
    await runAlarmAfter(vault, 61_000);
    expect(await sql(vault, "SELECT id FROM data_key")).toEqual([{ id: 2 }]);
    expect((await blobs()).filter((name) => old.includes(name))).toEqual([]);
    expect(await sql(vault, "SELECT data_key FROM key_version")).toEqual([{ data_key: 2 }, { data_key: 2 }]);
    expect(await opened(vault, app)).toEqual({ secret: "sk-2" });
    const rolled = await ask(vault.stub.rollBackKey(vault.ada, "k", undefined));
    expect(rolled.created_at).toBe(key.created_at);
    expect(await opened(vault, app)).toEqual({ secret: "sk-k" });
    // What is sealed beside the keys: the key that derives refresh tokens.
    await refreshWith(vault, rotating);
  });

  it("leaves a page that waits for a key's next secret as it was: what it shows is still so", async () => {
    const { vault, app } = await lived();
    const { handle } = await ask(vault.stub.createPageLink(vault.ada, { kind: "rotate", key: "k" }));
    await ask(vault.stub.rotateDataKey());
    await runAlarmAfter(vault, 10_001);
    expect(await sql(vault, "SELECT data_key FROM key_version")).toEqual([{ data_key: 2 }]);
    await ask(vault.stub.usePageLink(vault.ada, handle, { secret: "sk-typed" }));
    expect(await opened(vault, app)).toEqual({ secret: "sk-typed" });
    // A change of the key still voids it.
    const late = await ask(vault.stub.createPageLink(vault.ada, { kind: "rotate", key: "k" }));
    await ask(vault.stub.rollBackKey(vault.ada, "k", undefined));
    expect(await refusalOf(ask(vault.stub.usePageLink(vault.ada, late.handle, { secret: "sk-late" })))).toBe(
      "conflict",
    );
  });

  it("is made while calls go on: none fails, before, meanwhile and after", async () => {
    const { vault, app } = await lived();
    await Promise.all(Array.from({ length: 10 }, (_, n) => storeKey(vault, `k${n}`)));
    let over = false;
    const answers: string[] = [];
    const caller = async () => {
      for (let n = 0; !over; n++) answers.push(await refusalOf(authorize(vault, app, `k${n % 10}`)));
    };
    const callers = [caller(), caller(), caller()];
    await ask(vault.stub.rotateDataKey());
    await runAlarmAfter(vault, 10_001);
    await runAlarmAfter(vault, 61_000);
    over = true;
    await Promise.all(callers);
    expect(new Set(answers)).toEqual(new Set(["accepted"]));
    expect(await sql(vault, "SELECT id FROM data_key")).toEqual([{ id: 2 }]);
  });

  it("of very many secrets goes on go by go, each with no more questions to KV than one invocation may ask", async () => {
    const { vault, app } = await lived();
    for (let n = 0; n < 160; n++) await storeKey(vault, `k${n}`);
    await ask(vault.stub.rotateDataKey());
    const spies = (["get", "put", "delete"] as const).map((question) => vi.spyOn(env.BLOBS, question));
    const left = async () => (await sql(vault, "SELECT 1 FROM key_version WHERE data_key = 1")).length;
    await runAlarmAfter(vault, 10_001);
    expect(spies.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBeLessThan(500);
    expect(await left()).toBe(11);
    await runAlarmAfter(vault, 1);
    expect(await left()).toBe(0);
    await runAlarmAfter(vault, 61_000);
    expect(await sql(vault, "SELECT id FROM data_key")).toEqual([{ id: 2 }]);
    expect(await opened(vault, app, "k159")).toEqual({ secret: "sk-k159" });
  });

  it("goes on after it was broken off half way, and leaves nothing that the old key has sealed", async () => {
    const { vault, app } = await lived();
    await storeKey(vault, "other");
    const blobs = async () => (await env.BLOBS.list({ prefix: vault.id })).keys.map(({ name }) => name);
    const old = await blobs();
    const really = env.BLOBS.put.bind(env.BLOBS);
    const put = vi.spyOn(env.BLOBS, "put");
    await ask(vault.stub.rotateDataKey());
    put.mockImplementationOnce((name, value) => really(name, value as ArrayBuffer));
    put.mockRejectedValueOnce(new Error("KV is away"));
    vi.spyOn(console, "error").mockReturnValue();
    await runAlarmAfter(vault, 10_001);
    expect(await opened(vault, app, "other")).toEqual({ secret: "sk-other" });
    for (let i = 0; i < 3; i++) await runAlarmAfter(vault, 61_000);
    travel(1);
    expect(await sql(vault, "SELECT id FROM data_key")).toEqual([{ id: 2 }]);
    expect(await opened(vault, app, "other")).toEqual({ secret: "sk-other" });
    expect(await opened(vault, app)).toEqual({ secret: "sk-k" });
    expect((await blobs()).filter((name) => old.includes(name))).toEqual([]);
  });
});
