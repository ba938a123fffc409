import { describe, expect, it } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import type { NewAlert } from "../../src/vault/alerts/alerts.ts";
import type { Parts } from "../../src/vault/parts.ts";
import { raiseAlert } from "../../src/vault/alerts/raise.ts";
import { held } from "../../src/vault/surface.ts";
import { openLeash } from "../support/leash.ts";
import {
  ORIGIN,
  type Vault,
  authorize,
  derive,
  grantTo,
  inside,
  mintApp,
  newVault,
  outbox,
  refusalOf,
  signInDevice,
  sql,
  travel,
  vaultWithKey,
} from "../support/vault.ts";

const raise = (vault: Vault, alert: NewAlert) => inside(vault, (object) => raiseAlert(object[held] as Parts, alert));
const list = ({ stub, ada }: Vault) => ask(stub.listAlerts(ada, undefined, 50, {}));
const set = ({ stub, ada }: Vault, changes: Parameters<typeof stub.changeAlertSettings>[1]) =>
  ask(stub.changeAlertSettings(ada, changes));

describe("an alert", () => {
  it("that happens again is counted, until somebody has seen it", async () => {
    const vault = await newVault();
    const about = (calls: number) => ({ kind: "volume", subject: "tok_1", name: "ci", facts: { calls } }) as const;
    await raise(vault, about(100));
    travel(60_000);
    await raise(vault, about(300));
    const [open] = await list(vault);
    expect(open).toMatchObject({ kind: "volume", count: 2, facts: { calls: 300 }, acknowledged_at: null });
    expect((open?.last_at ?? 0) - (open?.first_at ?? 0)).toBeGreaterThanOrEqual(60_000);
    await ask(vault.stub.acknowledgeAlert(vault.ada, open?.id ?? ""));
    await raise(vault, about(400));
    expect((await list(vault)).map(({ count }) => count)).toEqual([1, 2]);
  });

  it("of another kind or about something else is another", async () => {
    const vault = await newVault();
    await raise(vault, { kind: "volume", subject: "tok_1" });
    await raise(vault, { kind: "volume", subject: "tok_2" });
    await raise(vault, { kind: "error_burst", subject: "tok_1" });
    expect(await list(vault)).toHaveLength(3);
    expect(await ask(vault.stub.listAlerts(vault.ada, undefined, 50, { kind: "error_burst" }))).toHaveLength(1);
  });

  it("stands above those that came before it, be it in the same millisecond", async () => {
    const vault = await newVault();
    await inside(vault, (object) => {
      for (let n = 0; n < 40; n++) raiseAlert(object[held] as Parts, { kind: "volume", subject: `tok_${n}` });
    });
    expect((await list(vault)).map(({ subject }) => subject)).toEqual(
      Array.from({ length: 40 }, (_, n) => `tok_${39 - n}`),
    );
  });

  it("is recorded when it opens and when somebody has seen it, once each", async () => {
    const vault = await newVault();
    await raise(vault, { kind: "volume", subject: "tok_1" });
    await raise(vault, { kind: "volume", subject: "tok_1" });
    const [{ id } = { id: "" }] = await list(vault);
    await ask(vault.stub.acknowledgeAlert(vault.ada, id));
    await ask(vault.stub.acknowledgeAlert(vault.ada, id));
    const rows = (await outbox(vault))
      .map(({ decision }) => decision)
      .filter(({ action }) => action.startsWith("alert."));
    expect(rows).toMatchObject([
      { action: "alert.raise", actor: { kind: "vault" }, subject: "tok_1", rule: "volume" },
      { action: "alert.acknowledge", actor: { kind: "session" }, subject: id },
    ]);
  });

  it("that is not there cannot be acknowledged", async () => {
    const { stub, ada } = await newVault();
    expect(await refusalOf(ask(stub.acknowledgeAlert(ada, "alt_absent")))).toBe("not_found");
  });

  it("of a kind that was turned off is not raised", async () => {
    const vault = await newVault();
    await set(vault, { new_country: { enabled: false } });
    await raise(vault, { kind: "new_country", subject: "tok_1" });
    expect(await list(vault)).toEqual([]);
  });

  it("is told about a sign-in that was added", async () => {
    const vault = await newVault();
    const bob = { issuer: "https://id.example", subject: "bob", email: null, email_verified: false, name: null };
    await ask(vault.stub.link(vault.ada, bob));
    expect(await list(vault)).toMatchObject([{ kind: "identity_linked", name: "id.example" }]);
  });

  it("comes of what a refresh shows, by the row alone", async () => {
    const vault = await newVault();
    const actor = { kind: "app", id: "tok_1", name: "ci" } as const;
    await inside(vault, (object) => {
      const { audit } = object[held] as Parts;
      const about = { actor, subject: "tok_1", ...ORIGIN };
      audit.append({ ...about, action: "refresh.shared", outcome: "ok" }, Date.now());
      audit.append({ ...about, action: "refresh.reuse", outcome: "refused", rule: "old" }, Date.now());
      audit.append({ ...about, action: "refresh.reuse", outcome: "refused", rule: "old" }, Date.now());
    });
    expect(await list(vault)).toMatchObject([
      { kind: "refresh_reuse", subject: "tok_1", name: "ci", count: 2, facts: { why: "old" } },
      { kind: "refresh_shared", subject: "tok_1", count: 1 },
    ]);
  });

  it("that was seen a year ago is forgotten", async () => {
    const vault = await newVault();
    await raise(vault, { kind: "volume", subject: "tok_1" });
    const [{ id } = { id: "" }] = await list(vault);
    await ask(vault.stub.acknowledgeAlert(vault.ada, id));
    await sql(vault, "UPDATE alert SET acknowledged_at = acknowledged_at - ?", 366 * 86_400_000);
    await raise(vault, { kind: "volume", subject: "tok_2" });
    expect((await list(vault)).map(({ subject }) => subject)).toEqual(["tok_2"]);
  });
});

describe("auto_freeze", () => {
  it("is off unless somebody has turned it on", async () => {
    const { vault, app } = await vaultWithKey();
    await raise(vault, { kind: "volume", subject: app.id });
    await authorize(vault, app, "k");
    expect(await list(vault)).toMatchObject([{ froze: null }]);
  });

  it("pauses the token that offends, cuts what it has open and leaves others alone", async () => {
    const { vault, app } = await vaultWithKey();
    const other = await mintApp(vault);
    await set(vault, { volume: { auto_freeze: "subject" } });
    const leash = await openLeash(vault, await authorize(vault, app, "k"));
    await raise(vault, { kind: "volume", subject: app.id });
    expect(await leash.closed).toEqual({ code: 4001, reason: "token_paused" });
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("paused token_paused");
    await authorize(vault, other, "k");
    expect(await list(vault)).toMatchObject([{ froze: "subject" }]);
    const row = (await outbox(vault)).find(({ decision }) => decision.action === "token.pause");
    expect(row?.decision).toMatchObject({ actor: { kind: "vault" }, subject: app.id, rule: "volume" });
  });

  it("cuts what was derived from it too, however far down, and what a client has open whose grant it pauses", async () => {
    const { vault, app } = await vaultWithKey();
    await set(vault, { volume: { auto_freeze: "subject" } });
    const grandchild = await derive(vault, await derive(vault, app));
    const client = await grantTo(vault);
    const [below, agent] = [
      await openLeash(vault, await authorize(vault, grandchild, "k")),
      await openLeash(vault, await authorize(vault, client, "k")),
    ];
    await raise(vault, { kind: "volume", subject: app.id });
    expect(await below.closed).toEqual({ code: 4001, reason: "token_paused" });
    expect(await refusalOf(authorize(vault, grandchild, "k"))).toBe("paused token_paused");
    await raise(vault, { kind: "volume", subject: client.grant_id });
    expect(await agent.closed).toEqual({ code: 4001, reason: "token_paused" });
    expect(await refusalOf(authorize(vault, client, "k"))).toBe("paused token_paused");
  });

  it("is undone by a person in the browser only", async () => {
    const { vault, app } = await vaultWithKey();
    await set(vault, { volume: { auto_freeze: "subject" } });
    await raise(vault, { kind: "volume", subject: app.id });
    const { device } = await signInDevice(vault);
    expect(await refusalOf(ask(vault.stub.resumeToken(device, app.id)))).toBe("insufficient_scope");
    await ask(vault.stub.resumeToken(vault.ada, app.id));
    await authorize(vault, app, "k");
  });

  it("leaves a row that says to what it was set, and by whom", async () => {
    const vault = await newVault();
    await set(vault, { volume: { auto_freeze: "vault" }, error_burst: { enabled: false } });
    await set(vault, { volume: { auto_freeze: "vault" } });
    const rows = (await outbox(vault)).filter(({ decision }) => decision.action === "alert.settings");
    expect(rows.map(({ decision }) => `${decision.subject} ${decision.rule}`)).toEqual([
      "volume auto_freeze vault",
      "error_burst disabled",
    ]);
  });
});
