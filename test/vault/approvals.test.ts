import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { configOf } from "../../src/config.ts";
import { verifyToken } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Ask } from "../../src/vault/calls/dispatch.ts";
import type { Policy } from "../../src/vault/policy/policy.ts";
import {
  type App,
  ORIGIN,
  type Vault,
  authorize,
  derive,
  evict,
  keyNamed,
  mintApp,
  outbox,
  refusalOf,
  signInDevice,
  storeKey,
  travel,
  vaultWithKey,
} from "../support/vault.ts";

/** A vault with a key `k` and a token whose calls need a yes. */
function asking(policy: Policy = { ask: {} }): Promise<{ vault: Vault; app: App }> {
  return vaultWithKey(policy);
}

/** A call as a router that holds it asks for it. */
const held = (vault: Vault, app: App, more: Partial<Ask> = {}) =>
  authorize(vault, app, "k", { content: "digest", ...more });

/** The question that a call must wait for. */
async function questionOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (thrown) {
    const { code, extras } = thrown as { code: string; extras: { approval?: { id: string } } };
    if (code === "approval_required" && extras.approval !== undefined) return extras.approval.id;
    throw thrown;
  }
  throw new Error("it was let through");
}

const answer = ({ stub, ada }: Vault, id: string, decision: Parameters<Vault["stub"]["answerQuestion"]>[2], by = ada) =>
  ask(stub.answerQuestion(by, id, decision));
const open = ({ stub, ada }: Vault) => ask(stub.listQuestions(ada));

describe("a policy that asks", () => {
  it("lets nothing through without a yes, and asks once for the same request", async () => {
    const { vault, app } = await asking();
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("approval_required ask");
    expect(await open(vault)).toEqual([]);
    const id = await questionOf(held(vault, app));
    expect(await questionOf(held(vault, app))).toBe(id);
    expect(await open(vault)).toMatchObject([
      { id, method: "GET", host: "api.example", path: "/v1/things", actor: { id: app.id }, waiting: false },
    ]);
    expect((await outbox(vault)).filter(({ decision }) => decision.action === "proxy.call")).toEqual([]);
    expect((await outbox(vault)).filter(({ decision }) => decision.action === "approval.ask")).toHaveLength(1);
  });

  it("asks only for the methods and paths that it names, however they are spelled", async () => {
    const { vault, app } = await asking({ ask: { methods: ["POST"], paths: ["/v1/charges/**"] } });
    await authorize(vault, app, "k", { method: "GET", path: "/v1/charges/1" });
    await authorize(vault, app, "k", { method: "POST", path: "/v1/customers" });
    for (const more of [
      { method: "POST", path: "/v1/charges/1" },
      { method: "POST", path: "/v1/%63harges/1" },
    ])
      expect(await refusalOf(held(vault, app, more)), more.path).toBe("approval_required ask");
    for (const path of ["/v1//charges/1", "/v1/x/../charges/1", "/v1/charges%2F1"])
      expect(await refusalOf(held(vault, app, { method: "POST", path })), path).toBe("target_refused target");
  });

  it("asks after all else has passed: nobody is asked for what is refused anyway", async () => {
    const { vault, app } = await asking({ ask: {}, methods: ["GET"] });
    expect(await refusalOf(held(vault, app, { method: "DELETE" }))).toBe("policy_denied methods");
    expect(await open(vault)).toEqual([]);
  });
});

it("is waited for by a hundred calls at most", async () => {
  const { vault, app } = await asking();
  const id = await questionOf(held(vault, app));
  const wait = () =>
    vault.stub.fetch(`https://vault/question?_pk=${crypto.randomUUID()}`, {
      headers: { upgrade: "websocket", "x-question": id },
    });
  const waiting = await Promise.all(Array.from({ length: 100 }, wait));
  for (const { webSocket } of waiting) webSocket?.accept();
  expect(waiting.map(({ status }) => status)).toEqual(Array(100).fill(101));
  expect((await wait()).status).toBe(429);
  const released = new Promise((resolve) => waiting[0]?.webSocket?.addEventListener("message", resolve));
  await answer(vault, id, "once");
  await released;
});

describe("an answer", () => {
  it("of once lets exactly one call through, of many that wait", async () => {
    const { vault, app } = await asking();
    await answer(vault, await questionOf(held(vault, app)), "once");
    const calls = await Promise.allSettled(Array.from({ length: 10 }, () => held(vault, app)));
    expect(calls.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const row = (await outbox(vault)).find(({ decision }) => decision.action === "proxy.call");
    expect(row?.decision.subject).toMatch(/^apr_/);
  });

  it("counts once: a second one is refused, whatever it says, also where both come at once", async () => {
    const { vault, app } = await asking();
    const id = await questionOf(held(vault, app));
    const answers = await Promise.all(
      (["once", "no", "always", "1h", "10m"] as const).map((decision) => refusalOf(answer(vault, id, decision))),
    );
    expect(answers.toSorted()).toEqual(["accepted", "conflict", "conflict", "conflict", "conflict"]);
  });

  it("of once is for that request only: other content, method, path, key or token is another question", async () => {
    const { vault, app } = await asking();
    await storeKey(vault, "other");
    const another = await mintApp(vault, { ask: {} });
    await answer(vault, await questionOf(held(vault, app)), "once");
    for (const more of [{ content: "changed" }, { method: "POST" }, { path: "/v1/things/2" }])
      expect(await refusalOf(held(vault, app, more)), JSON.stringify(more)).toBe("approval_required ask");
    expect(await refusalOf(authorize(vault, app, "other", { content: "digest" }))).toBe("approval_required ask");
    expect(await refusalOf(held(vault, another))).toBe("approval_required ask");
    await held(vault, app);
  });

  it("of once does not outlive the key's destination", async () => {
    const { vault, app } = await asking();
    const id = await questionOf(held(vault, app));
    const { destination } = keyNamed("k");
    const moved = { ...destination, origin: "https://elsewhere.example" };
    await ask(vault.stub.rotateKey(vault.ada, "k", { destination: moved, secret: { secret: "s" }, overlap_ms: 0 }));
    expect(await refusalOf(answer(vault, id, "once"))).toBe("conflict");
    expect(await questionOf(held(vault, app))).not.toBe(id);
  });

  it.each([
    ["10m", 10],
    ["1h", 60],
  ] as const)("of %s lets the same address through, and not a moment longer", async (decision, minutes) => {
    const { vault, app } = await asking();
    await answer(vault, await questionOf(held(vault, app)), decision);
    await evict(vault);
    for (const content of ["one", "two", undefined]) await authorize(vault, app, "k", { content });
    expect(await refusalOf(held(vault, app, { path: "/v1/things/2" }))).toBe("approval_required ask");
    expect(await refusalOf(held(vault, app, { method: "POST" }))).toBe("approval_required ask");
    travel(minutes * 60_000 - 1_000);
    await held(vault, app);
    travel(2_000);
    expect(await refusalOf(held(vault, app))).toBe("approval_required ask");
  });

  it("of always writes a rule into the policy, and the rest is still asked for", async () => {
    const { vault, app } = await asking();
    await answer(vault, await questionOf(held(vault, app)), "always");
    await evict(vault);
    travel(365 * 86_400_000);
    await held(vault, app, { content: "anything" });
    expect(await refusalOf(held(vault, app, { path: "/v1/things/2" }))).toBe("approval_required ask");
  });

  it("of no holds for the same request, and is recorded", async () => {
    const { vault, app } = await asking();
    await answer(vault, await questionOf(held(vault, app)), "no");
    expect(await refusalOf(held(vault, app))).toBe("policy_denied ask");
    const row = (await outbox(vault)).find(({ decision }) => decision.action === "proxy.call");
    expect(row?.decision).toMatchObject({ outcome: "refused", rule: "ask" });
    const told = (await outbox(vault)).find(({ decision }) => decision.action === "approval.answer");
    expect(told?.decision).toMatchObject({ rule: "no", actor: { kind: "session" } });
  });

  it("that comes too late is refused", async () => {
    const { vault, app } = await asking();
    const id = await questionOf(held(vault, app));
    travel(11 * 60_000);
    expect(await refusalOf(answer(vault, id, "once"))).toBe("conflict");
    expect(await open(vault)).toEqual([]);
  });

  it("is not used up by a call that something else has overtaken", async () => {
    const { vault, app } = await asking();
    await answer(vault, await questionOf(held(vault, app)), "once");
    await ask(vault.stub.pauseToken(vault.ada, app.id));
    expect(await refusalOf(held(vault, app))).toBe("paused token_paused");
    await ask(vault.stub.resumeToken(vault.ada, app.id));
    await held(vault, app);
  });
});

describe("who may answer", () => {
  it("a device, but not for what it minted, and never always", async () => {
    const { vault, app } = await asking();
    const { device: laptop } = await signInDevice(vault);
    const { token, row } = await ask(vault.stub.createToken(laptop, "its own", { ask: {} }));
    const own = { token, id: row.id, hash: verifyToken(configOf(env).token_keys, token).hash };
    const [theirs, its] = [await questionOf(held(vault, app)), await questionOf(held(vault, own))];
    expect(await refusalOf(answer(vault, its, "once", laptop))).toBe("insufficient_scope");
    expect(await refusalOf(answer(vault, theirs, "always", laptop))).toBe("insufficient_scope");
    await answer(vault, its, "no", laptop);
    await answer(vault, theirs, "once", laptop);
    await held(vault, app);
  });

  it("nobody while the vault is frozen, and a freeze drops what was asked and what was answered", async () => {
    const { vault, app } = await asking();
    const answered = await questionOf(held(vault, app, { path: "/v1/answered" }));
    await answer(vault, answered, "1h");
    const asked = await questionOf(held(vault, app));
    await ask(vault.stub.freeze(vault.ada));
    expect(await refusalOf(answer(vault, asked, "once"))).toBe("frozen frozen");
    travel(1_000);
    const { token } = await ask(
      vault.stub.signIn(
        vault.account_id,
        { issuer: "https://id.example", subject: "ada", email: null, email_verified: false, name: null },
        ORIGIN,
      ),
    );
    const fresh = { ...vault.ada, hash: verifyToken(configOf(env).token_keys, token).hash };
    await ask(vault.stub.unfreeze(fresh));
    expect(await ask(vault.stub.listQuestions(fresh))).toEqual([]);
    expect(await refusalOf(answer(vault, asked, "once", fresh))).toBe("not_found");
    expect(await refusalOf(held(vault, app, { path: "/v1/answered" }))).toBe("approval_required ask");
  });
});

describe("a device that asks", () => {
  it("asks for what it calls itself and for what it has made, and always is written into the device", async () => {
    const { vault } = await asking();
    const { device, app: laptop } = await signInDevice(vault, { policy: { ask: { methods: ["POST"] } } });
    const { token, row } = await ask(vault.stub.createToken(device, "its own", {}));
    const made = { token, id: row.id, hash: verifyToken(configOf(env).token_keys, token).hash };
    for (const app of [laptop, made]) {
      await authorize(vault, app, "k");
      expect(await refusalOf(held(vault, app, { method: "POST" }))).toBe("approval_required ask");
    }
    const its = await questionOf(held(vault, made, { method: "POST" }));
    expect(await refusalOf(answer(vault, its, "once", device))).toBe("insufficient_scope");
    await answer(vault, its, "always");
    await evict(vault);
    for (const app of [laptop, made]) await held(vault, app, { method: "POST" });
    expect(await refusalOf(held(vault, laptop, { method: "POST", path: "/v1/others" }))).toBe("approval_required ask");
    expect((await ask(vault.stub.getDevice(vault.ada, laptop.id))).policy.ask?.allowed).toHaveLength(1);
  });

  it("can be told to later, at once for what it has made too, and never to ask less", async () => {
    const { vault } = await asking();
    const { device, app: laptop } = await signInDevice(vault);
    const { token, row } = await ask(vault.stub.createToken(device, "its own", {}));
    const made = { token, id: row.id, hash: verifyToken(configOf(env).token_keys, token).hash };
    for (const app of [laptop, made]) await held(vault, app);
    await ask(vault.stub.changeDevice(vault.ada, laptop.id, { ask: {} }));
    for (const app of [laptop, made]) expect(await refusalOf(held(vault, app))).toBe("approval_required ask");
    const less = ask(vault.stub.changeDevice(vault.ada, laptop.id, { ask: { methods: ["POST"] } }));
    expect(await refusalOf(less)).toBe("invalid_request");
    expect((await outbox(vault)).map(({ decision }) => decision.action)).toContain("device.ask_first");
    // Of all else the token's own policy speaks: a person may give it more time.
    for (const hours of [1, 2]) {
      const policy = { expires_at: Date.now() + hours * 3_600_000 };
      await ask(vault.stub.changeToken(vault.ada, made.id, { policy }));
    }
    expect(await refusalOf(held(vault, made))).toBe("approval_required ask");
  });
});

describe("somebody who asks and asks", () => {
  it("has five questions open at most, and others may still ask", async () => {
    const { vault, app } = await asking();
    const other = await mintApp(vault, { ask: {} });
    for (let i = 0; i < 5; i++) await questionOf(held(vault, app, { path: `/${i}` }));
    expect(await refusalOf(held(vault, app, { path: "/6" }))).toBe("rate_limited ask");
    await questionOf(held(vault, other));
    expect(await open(vault)).toHaveLength(6);
  });

  it("has no more of them by deriving others to ask in its stead, and keeps nobody else from asking", async () => {
    const { vault, app } = await asking();
    const outcomes: string[] = [];
    for (let n = 0; n < 4; n++) {
      const child = await derive(vault, app);
      for (let i = 0; i < 4; i++) outcomes.push(await refusalOf(held(vault, child, { path: `/${i}` })));
    }
    expect(outcomes.slice(0, 15)).toEqual(Array.from({ length: 15 }, () => "approval_required ask"));
    expect(outcomes.slice(15)).toEqual(["rate_limited ask"]);
    const other = await mintApp(vault, { ask: {} });
    expect(await refusalOf(held(vault, other))).toBe("approval_required ask");
  });

  it("has twenty pages open at most, and others may still have one", async () => {
    const { vault } = await asking();
    const wish = { kind: "rotate", key: "k" } as const;
    const by = (device: Vault["ada"]) => ask(vault.stub.createPageLink(device, wish));
    const [one, another] = [await signInDevice(vault), await signInDevice(vault)];
    for (let i = 0; i < 20; i++) await by(one.device);
    expect(await refusalOf(by(one.device))).toBe("rate_limited");
    expect(await refusalOf(by(another.device))).toBe("accepted");
  });
});

describe("what is shown", () => {
  it("is visible ASCII, cut to what is recorded", async () => {
    const { vault, app } = await asking();
    await questionOf(held(vault, app, { path: `/v1/%E2%80%AEgnp.exe/${"x".repeat(1_000)}` }));
    const [{ path } = { path: "" }] = await open(vault);
    expect(path).toMatch(/^[\x21-\x7e…]+$/u);
    expect(path.length).toBeLessThan(700);
  });

  it("is a name without what turns text around or hides", async () => {
    const { vault } = await asking();
    const { token, row } = await ask(vault.stub.createToken(vault.ada, "a\u202egnp\u200b\n.exe", { ask: {} }));
    await questionOf(held(vault, { token, id: row.id, hash: verifyToken(configOf(env).token_keys, token).hash }));
    const [question] = await open(vault);
    expect(question?.actor.name).toBe("a\ufffdgnp\ufffd\ufffd.exe");
  });
});
