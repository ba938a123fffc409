import { describe, expect, it } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { askFor, authorize, calls, inside, outbox, sql, vaultWithKey } from "../support/vault.ts";

describe("a row", () => {
  it("is there before the dispatch is answered: without it nothing is let through", async () => {
    const { vault, app } = await vaultWithKey();
    const { request_id, seq } = await authorize(vault, app, "k");
    const [row] = await calls(vault);
    expect(row).toMatchObject({
      seq,
      pending: true,
      decision: { id: request_id, action: "proxy.call", method: "GET" },
    });
    // The disk is full, say: what cannot be recorded is refused, and no secret leaves.
    await sql(vault, "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk is full'); END");
    const answer = await inside(vault, (object) =>
      Promise.try(() => object.authorize(askFor(app, "k"), [])).catch(String),
    );
    expect(JSON.stringify(answer)).toContain("disk is full");
    expect(JSON.stringify(answer)).not.toContain("sk-k");
    await sql(vault, "DROP TRIGGER full");
    expect((await authorize(vault, app, "k")).seq).toBe(seq + 1);
  });

  it("says who did what where, and never a query, a body, a header or a token", async () => {
    const { vault, app } = await vaultWithKey();
    const path = `/v1/${app.token.slice(0, 40)}/x`;
    await authorize(vault, app, "k", { method: "POST", path, user_agent: "u".repeat(1_000) });
    const [row] = await calls(vault);
    expect(row?.decision).toMatchObject({
      actor: { kind: "app", id: app.id, name: "app" },
      key_name: "k",
      provider: "custom",
      method: "POST",
      host: "api.example",
      path: "/v1/alk_…/x",
      ip: "192.0.2.1",
      country: "NZ",
      user_agent: "u".repeat(256),
    });
  });

  it("records a long path to 512 bytes and the rest by its hash", async () => {
    const { vault, app } = await vaultWithKey();
    await authorize(vault, app, "k", { path: `/v1/${"a".repeat(2_000)}` });
    await authorize(vault, app, "k", { path: `/v1/${"a".repeat(2_001)}` });
    const [one, two] = (await calls(vault)).map(({ decision }) => decision.path ?? "");
    expect(one?.length).toBe(512 + "…sha256=".length + 64);
    expect(one?.slice(0, 512)).toBe(two?.slice(0, 512));
    expect(one).not.toBe(two);
  });

  it("tells of every change in the step that made it", async () => {
    const { vault, app } = await vaultWithKey();
    const { stub, ada } = vault;
    await ask(stub.pauseKey(ada, "k"));
    await ask(stub.resumeKey(ada, "k"));
    await ask(stub.pauseToken(ada, app.id));
    await ask(stub.resumeToken(ada, app.id));
    await ask(stub.revokeToken(ada, app.id));
    await ask(stub.deleteKey(ada, "k"));
    await ask(stub.signOut(ada));
    const rows = (await outbox(vault)).map(({ decision: { action, outcome } }) => `${action} ${outcome}`);
    expect(rows).toEqual(
      [
        "session.create",
        "key.create",
        "token.create",
        "key.pause",
        "key.resume",
        "token.pause",
        "token.resume",
        "token.revoke",
        "key.delete",
        "session.revoke",
      ].map((action) => `${action} ok`),
    );
  });
});
