import { describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import type { Caller } from "../../src/vault/tokens/caller.ts";
import type { PolicyChanges } from "../../src/vault/tokens/change_token.ts";
import { cutFor, isHeld, openLeash, type HeldLeash } from "../support/leash.ts";
import {
  type App,
  type Vault,
  authorize,
  derive,
  evict,
  mintApp,
  newVault,
  outbox,
  refusalOf,
  signInDevice,
  sql,
  storeKey,
  travel,
} from "../support/vault.ts";

/** A vault with the keys `k` and `l`, and a device that may manage it. */
async function managed(): Promise<{ vault: Vault; device: Caller; keys: string[] }> {
  const vault = await newVault();
  const keys = [(await storeKey(vault, "k")).id, (await storeKey(vault, "l")).id];
  return { vault, device: (await signInDevice(vault)).device, keys };
}

const change = ({ stub }: Vault, by: Caller, app: App, policy: PolicyChanges) =>
  ask(stub.changeToken(by, app.id, { policy }));

/** As many more of a token's kin as it could have made. */
async function copies(vault: Vault, { id }: App, n: number): Promise<void> {
  const columns = "kind, parent_id, name, policy, created_at, expires_at, seen_at";
  await sql(
    vault,
    `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?)
     INSERT INTO token (id, hash, ${columns}) SELECT 'tok_' || n, 'h' || n, ${columns} FROM token, n WHERE id = ?`,
    n,
    id,
  );
}

describe("a device", () => {
  it("may narrow a policy in every field, and widen it in none", async () => {
    const { vault, device } = await managed();
    const narrower: PolicyChanges = {
      keys: ["k"],
      methods: ["GET"],
      paths: ["/v1/**"],
      ip_allow: ["192.0.2.0/24"],
      countries: ["NZ"],
      not_before: Date.now() - 1_000,
      expires_at: Date.now() + 3_600_000,
      max_uses: 5,
      daily_quota: 5,
      rate: { per_minute: 5 },
      max_concurrent: 5,
    };
    const app = await mintApp(vault);
    for (const [field, value] of Object.entries(narrower))
      expect([field, await refusalOf(change(vault, device, app, { [field]: value }))]).toEqual([field, "accepted"]);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("accepted");
    const wider: PolicyChanges = {
      keys: ["k", "l"],
      methods: ["GET", "POST"],
      paths: ["/**"],
      ip_allow: ["192.0.0.0/8"],
      countries: ["NZ", "FR"],
      not_before: Date.now() - 5_000,
      expires_at: Date.now() + 7_200_000,
      max_uses: 6,
      daily_quota: 6,
      rate: { per_minute: 6 },
      max_concurrent: 6,
      allow_credential_endpoints: true,
    };
    for (const [field, value] of Object.entries(wider)) {
      expect([field, await refusalOf(change(vault, device, app, { [field]: value }))]).toEqual([
        field,
        "insufficient_scope wider",
      ]);
      if (field === "allow_credential_endpoints") continue;
      expect([field, await refusalOf(change(vault, device, app, { [field]: null }))]).toEqual([
        field,
        "insufficient_scope wider",
      ]);
    }
    for (const [field, value] of Object.entries(wider))
      expect([field, await refusalOf(change(vault, vault.ada, app, { [field]: value }))]).toEqual([field, "accepted"]);
  });
});

describe("a change", () => {
  it("cuts an open call that it forbids, one that names another method beside among them, and leaves the others", async () => {
    const { vault } = await managed();
    const app = await mintApp(vault);
    const calls = [{ method: "DELETE" }, { overridden: true }, {}] as const;
    const [forbidden, overridden, allowed] = await Promise.all(
      calls.map(async (call) => openLeash(vault, await authorize(vault, app, "k", call))),
    );
    await change(vault, vault.ada, app, { methods: ["GET"] });
    expect(await forbidden?.closed).toEqual(cutFor("methods"));
    expect(await overridden?.closed).toEqual(cutFor("methods"));
    expect(await isHeld(vault, allowed as HeldLeash)).toBe(true);
  });

  it("keeps a key that is gone since, and does not ask for it again", async () => {
    const { vault, keys } = await managed();
    const app = await mintApp(vault, { keys: ["k", "l"] });
    await ask(vault.stub.deleteKey(vault.ada, "k"));
    const told = await change(vault, vault.ada, app, { methods: ["GET"] });
    expect(told.policy).toMatchObject({ keys, methods: ["GET"] });
  });

  it("does not make a derived token wider than its parent, not even a person's", async () => {
    const { vault } = await managed();
    const parent = await mintApp(vault, { methods: ["GET"], max_uses: 3 });
    const child = await derive(vault, parent, { max_uses: 2 });
    expect(await refusalOf(change(vault, vault.ada, child, { methods: ["GET", "POST"] }))).toBe(
      "invalid_request wider",
    );
    expect(await refusalOf(change(vault, vault.ada, child, { max_uses: 4 }))).toBe("invalid_request wider");
    expect(await refusalOf(change(vault, vault.ada, child, { max_uses: 3 }))).toBe("accepted");
  });

  it("of a rate or a limit goes on from what was counted", async () => {
    vi.setSystemTime(1_800_000_000_000);
    const { vault } = await managed();
    const app = await mintApp(vault, { rate: { per_minute: 3 } });
    for (let n = 0; n < 3; n++) await authorize(vault, app, "k");
    await change(vault, vault.ada, app, { rate: { per_minute: 5 } });
    await evict(vault);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("accepted");
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("accepted");
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("rate_limited rate");
    await change(vault, vault.ada, app, { rate: { per_minute: 1 } });
    travel(59_999);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("rate_limited rate");
    travel(1);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("accepted");
  });

  it("of max_concurrent counts the calls that are under way already", async () => {
    const { vault } = await managed();
    const app = await mintApp(vault);
    await authorize(vault, app, "k");
    await authorize(vault, app, "k");
    await change(vault, vault.ada, app, { max_concurrent: 3 });
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("accepted");
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("rate_limited max_concurrent");
  });
});

describe("derived tokens", () => {
  it("of all generations are few enough that whoever holds one token does not fill the vault", async () => {
    const { vault } = await managed();
    const child = await derive(vault, await mintApp(vault));
    const grandchild = await derive(vault, child);
    await copies(vault, grandchild, 247);
    expect(await refusalOf(derive(vault, grandchild))).toBe("accepted");
    expect(await refusalOf(derive(vault, grandchild))).toBe("conflict");
    expect(await refusalOf(derive(vault, await mintApp(vault)))).toBe("accepted");
  });

  it("of one hour are no more either, however soon each of them is dead; later there is room again", async () => {
    const { vault } = await managed();
    const eldest = await mintApp(vault);
    const short = async () => derive(vault, eldest, { expires_at: Date.now() + 1_000 });
    await copies(vault, await short(), 999);
    travel(2_000);
    expect(await refusalOf(short())).toBe("rate_limited derived");
    travel(61 * 60_000);
    expect(await refusalOf(short())).toBe("accepted");
  });

  it("share their parents' places and places in time, whoever of them comes first", async () => {
    const { vault } = await managed();
    const parent = await mintApp(vault, { max_concurrent: 3, rate: { per_minute: 4 } });
    const [one, two] = [await derive(vault, parent, { max_concurrent: 2 }), await derive(vault, parent)];
    const outcomes = await Promise.all([one, one, one, two, two].map((app) => refusalOf(authorize(vault, app, "k"))));
    expect(outcomes.filter((outcome) => outcome === "accepted")).toHaveLength(3);
    await evict(vault);
    expect(await refusalOf(authorize(vault, parent, "k"))).toBe("rate_limited max_concurrent");
    const open = (await outbox(vault)).filter(({ pending }) => pending);
    await ask(vault.stub.settle(open.map(({ seq }) => ({ seq, outcome: "ok" as const }))));
    expect(await refusalOf(authorize(vault, two, "k"))).toBe("accepted");
    expect(await refusalOf(authorize(vault, parent, "k"))).toBe("rate_limited rate");
  });

  it("that are dead for an hour are forgotten, with what they counted, when their parent makes another", async () => {
    const { vault } = await managed();
    const parent = await mintApp(vault, { max_uses: 10 });
    const dead = await derive(vault, parent, { expires_at: Date.now() + 1_000, max_uses: 1 });
    const below = await derive(vault, dead, { max_uses: 1 });
    await authorize(vault, below, "k");
    travel(2_000);
    expect(await refusalOf(authorize(vault, below, "k"))).toBe("invalid_token expired");
    travel(3_600_000);
    const live = await derive(vault, parent);
    expect(await sql(vault, "SELECT id FROM token WHERE kind = 'app' ORDER BY id")).toEqual(
      [parent.id, live.id].toSorted().map((id) => ({ id })),
    );
    expect(await sql(vault, "SELECT name FROM meter")).toEqual([{ name: parent.id }]);
    expect(await refusalOf(authorize(vault, dead, "k"))).toBe("invalid_token");
  });
});
