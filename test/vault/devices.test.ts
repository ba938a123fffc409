import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { configOf } from "../../src/config.ts";
import { verifyToken } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import {
  ORIGIN,
  type Vault,
  askFor,
  authorize,
  derive,
  evict,
  keyNamed,
  laptop,
  newVault,
  outbox,
  refusalOf,
  signInDevice,
  storeKey,
  travel,
} from "../support/vault.ts";

const DAY_MS = 86_400_000;

async function revealable({ stub, ada }: Vault, name: string): Promise<string> {
  return (await ask(stub.createKey(ada, keyNamed(name, { revealable: true }), { secret: `sk-${name}` }))).id;
}

describe("a device", () => {
  it("gets its token once, for the code that was approved", async () => {
    const vault = await newVault();
    const wish = laptop("c1");
    expect(await refusalOf(ask(vault.stub.redeemDevice({ code_hash: "c1", proof: null }, ORIGIN)))).toBe(
      "invalid_grant",
    );
    await ask(vault.stub.approveDevice(vault.ada, wish));
    expect(await refusalOf(ask(vault.stub.approveDevice(vault.ada, wish)))).toBe("conflict");
    await evict(vault);
    const { token } = await ask(vault.stub.redeemDevice({ code_hash: "c1", proof: null }, ORIGIN));
    expect(token).toMatch(/^alk_dev_/);
    expect(await refusalOf(ask(vault.stub.redeemDevice({ code_hash: "c1", proof: null }, ORIGIN)))).toBe(
      "invalid_grant",
    );
    const actions = (await outbox(vault)).map(({ decision }) => decision.action);
    expect(actions).toEqual(expect.arrayContaining(["device.approve", "device.create"]));
  });

  it("is not given a token for an approval older than ten minutes", async () => {
    const vault = await newVault();
    const wish = laptop("c2");
    await ask(vault.stub.approveDevice(vault.ada, wish));
    travel(10 * 60_000 + 1);
    expect(await refusalOf(ask(vault.stub.redeemDevice({ code_hash: "c2", proof: null }, ORIGIN)))).toBe(
      "invalid_grant",
    );
  });

  it("ends after 90 days unused and after a year however much it is used", async () => {
    const vault = await newVault();
    const idle = await signInDevice(vault);
    const busy = await signInDevice(vault);
    for (let days = 0; days < 80; days += 40) {
      travel(40 * DAY_MS);
      await ask(vault.stub.listKeys(busy.device, undefined, 1, {}));
    }
    travel(11 * DAY_MS);
    expect(await refusalOf(ask(vault.stub.listKeys(idle.device, undefined, 1, {})))).toBe("invalid_token expired");
    for (let days = 91; days < 360; days += 60) {
      expect(await refusalOf(ask(vault.stub.listKeys(busy.device, undefined, 1, {})))).toBe("accepted");
      travel(60 * DAY_MS);
    }
    travel(10 * DAY_MS);
    expect(await refusalOf(ask(vault.stub.listKeys(busy.device, undefined, 1, {})))).toBe("invalid_token expired");
  });

  it("stays alive by calling through the proxy alone", async () => {
    const vault = await newVault();
    const { id } = await storeKey(vault, "k");
    const { app } = await signInDevice(vault, { policy: { keys: [id] } });
    for (let times = 0; times < 3; times++) {
      travel(80 * DAY_MS);
      expect(await refusalOf(ask(vault.stub.authorize(askFor(app, "k"), [])))).toBe("accepted");
    }
  });

  it("uses only the keys that were chosen, and those that it has stored itself", async () => {
    const vault = await newVault();
    const { id } = await storeKey(vault, "chosen");
    await storeKey(vault, "other");
    const { device, app } = await signInDevice(vault, { policy: { keys: [id] } });
    const call = (key: string) => refusalOf(ask(vault.stub.authorize(askFor(app, key), [])));
    expect(await call("chosen")).toBe("accepted");
    expect(await call("other")).toBe("not_found keys");
    await ask(vault.stub.createKey(device, keyNamed("own"), { secret: "sk-own" }));
    expect(await call("own")).toBe("accepted");
    await ask(vault.stub.createKey(vault.ada, keyNamed("later"), { secret: "sk-later" }));
    expect(await call("later")).toBe("not_found keys");
  });
});

describe("what a device mints", () => {
  it("reaches no key that the device may not use, and ends with it at the latest", async () => {
    const vault = await newVault();
    const { id } = await storeKey(vault, "chosen");
    await storeKey(vault, "other");
    const { device } = await signInDevice(vault, { policy: { keys: [id] } });
    const mint = (policy: object) => ask(vault.stub.createToken(device, "app", policy));
    expect(await refusalOf(mint({ keys: ["other"] }))).toBe("insufficient_scope parent");
    const { row } = await mint({});
    expect(row.policy.keys).toEqual([id]);
    expect(row.expires_at).toBeLessThanOrEqual(Date.now() + 365 * DAY_MS);
    const far = await mint({ keys: ["chosen"], expires_at: Date.now() + 1_000 * DAY_MS });
    expect(far.row.expires_at).toBe(row.expires_at);
  });

  it("mints nothing where it may use nothing", async () => {
    const vault = await newVault();
    await storeKey(vault, "other");
    const { device } = await signInDevice(vault, { policy: { keys: [] } });
    expect(await refusalOf(ask(vault.stub.createToken(device, "app", {})))).toBe("insufficient_scope parent");
  });

  it("calls no more often than the device, however many tokens it mints and those derive", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const { device, app } = await signInDevice(vault, { policy: { rate: { per_minute: 3 } } });
    const calls = [];
    for (const name of ["one", "two"]) {
      const { token } = await ask(vault.stub.createToken(device, name, {}));
      const { hash } = verifyToken(configOf(env).token_keys, token);
      calls.push(hash, (await derive(vault, { hash })).hash);
    }
    const outcomes = [];
    for (const hash of [...calls, app.hash])
      outcomes.push(await refusalOf(authorize(vault, { hash } as typeof app, "k")));
    expect(outcomes).toEqual(["accepted", "accepted", "accepted", "rate_limited rate", "rate_limited rate"]);
  });

  it("dies with the device in the same step", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const { device, app } = await signInDevice(vault);
    const { token } = await ask(vault.stub.createToken(device, "child", {}));
    const child = { token, id: "", hash: verifyToken(configOf(env).token_keys, token).hash };
    expect(await refusalOf(ask(vault.stub.authorize(askFor(child, "k"), [])))).toBe("accepted");
    const receipt = await ask(vault.stub.revokeDevice(vault.ada, app.id));
    expect(receipt.id).toBe(app.id);
    expect(await refusalOf(ask(vault.stub.authorize(askFor(child, "k"), [])))).toBe("invalid_token revoked");
    expect(await refusalOf(ask(vault.stub.authorize(askFor(app, "k"), [])))).toBe("invalid_token revoked");
    expect(await refusalOf(ask(vault.stub.listKeys(device, undefined, 1, {})))).toBe("invalid_token revoked");
  });
});

describe("a device and secrets", () => {
  it("sees none until a person unlocks it, and then only of revealable keys, for as long as was chosen", async () => {
    const vault = await newVault();
    await storeKey(vault, "closed");
    await revealable(vault, "open");
    const { device, app } = await signInDevice(vault);
    const see = (name: string) => refusalOf(ask(vault.stub.revealKeys(device, [name])));
    expect(await see("open")).toBe("insufficient_scope locked");
    expect(await refusalOf(ask(vault.stub.answerDevice(vault.ada, app.id, "15m")))).toBe("not_found");
    await ask(vault.stub.askToUnlock(device));
    expect(await see("open")).toBe("insufficient_scope locked");
    await ask(vault.stub.answerDevice(vault.ada, app.id, "15m"));
    const [revealed] = await ask(vault.stub.revealKeys(device, ["open"]));
    expect(revealed?.secret).toEqual({ secret: "sk-open" });
    expect(await see("closed")).toBe("policy_denied revealable");
    travel(15 * 60_000);
    expect(await see("open")).toBe("insufficient_scope locked");
    const refused = (await outbox(vault)).filter(({ decision }) => decision.outcome === "refused" && !decision.count);
    expect(refused.map(({ decision }) => decision.rule)).toEqual(["locked", "revealable", "locked"]);
  });

  it("is locked again at once by whoever manages it", async () => {
    const vault = await newVault();
    await revealable(vault, "open");
    const { device, app } = await signInDevice(vault, { reveal: "always" });
    expect(await refusalOf(ask(vault.stub.revealKeys(device, ["open"])))).toBe("accepted");
    await ask(vault.stub.changeDevice(vault.ada, app.id, { reveal: "none" }));
    expect(await refusalOf(ask(vault.stub.revealKeys(device, ["open"])))).toBe("insufficient_scope locked");
  });

  it("cannot unlock itself, approve another device, or make a key revealable", async () => {
    const vault = await newVault();
    const key = await storeKey(vault, "k");
    const { device, app } = await signInDevice(vault);
    await ask(vault.stub.askToUnlock(device));
    const self = { ...device, may: ["session"] as const };
    expect(await refusalOf(ask(vault.stub.answerDevice(self, app.id, "always")))).toBe("insufficient_scope");
    const wish = { code_hash: "c9", name: "x", platform: "x", policy: {}, reveal: "always", proof: null } as const;
    expect(await refusalOf(ask(vault.stub.approveDevice(self, wish)))).toBe("insufficient_scope");
    expect(await refusalOf(ask(vault.stub.changeKey(device, key.id, { revealable: true })))).toBe("insufficient_scope");
    expect(await refusalOf(ask(vault.stub.revealKeys(device, ["k"])))).toBe("insufficient_scope locked");
  });

  it("gets nothing when it is locked while the secret is being opened", async () => {
    const vault = await newVault();
    await revealable(vault, "open");
    const { device, app } = await signInDevice(vault, { reveal: "8h" });
    await evict(vault);
    const seen = ask(vault.stub.revealKeys(device, ["open"]));
    const locked = ask(vault.stub.changeDevice(vault.ada, app.id, { reveal: "none" }));
    await locked;
    expect(["accepted", "insufficient_scope locked"]).toContain(await refusalOf(seen));
    expect(await refusalOf(ask(vault.stub.revealKeys(device, ["open"])))).toBe("insufficient_scope locked");
  });
});
