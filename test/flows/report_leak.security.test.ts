/** Reporting a leaked token (SECURITY S28), and tokens under a leaked key (SECURITY S12). */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseKeyRing } from "../../src/config.ts";
import { mintToken as mintUnder, NO_VAULT, verifyToken } from "../../src/crypto/token.ts";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { poll } from "../support/device.ts";
import { newHolder, opened, send } from "../support/holder.ts";
import { activity, newPerson, startLocker, storeKey } from "../support/locker.ts";
import { codeFor, connect, exchangeOf, registerClient, tokenRequest } from "../support/oauth.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
const said: string[] = [];
beforeAll(async () => {
  [locker, upstream] = await Promise.all([startLocker({ log: (line) => said.push(line) }), startUpstream()]);
});
afterAll(() => Promise.all([locker.stop(), upstream.stop()]));

function report(body: unknown, at: Pick<LocalLocker, "publicOrigin"> = locker): Promise<Response> {
  return fetch(`${at.publicOrigin}/v1/report-leak`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function alerts(person: Person) {
  const { items } = await person.api<{ items: { kind: string; subject: string }[] }>("GET", "/v1/alerts");
  return items.filter(({ kind }) => kind === "token_leak");
}

const proxied = async (token: string) =>
  (await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } })).status;

describe("a report", () => {
  it("ends an app token, cuts what it has open, alerts its owner, and is answered with nothing", async () => {
    const holder = await newHolder(locker);
    holder.upstream.answerWith((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    });
    const stream = await opened(holder, "/stream");
    const ended = new Promise((resolve) => stream.on("error", resolve).resume());
    const answer = await report({ token: holder.token });
    expect([answer.status, await answer.text()]).toEqual([202, ""]);
    expect((await holder.call("/more")).status).toBe(401);
    await ended;
    expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule: "revoked" });
    expect(await alerts(holder.person)).toMatchObject([{ subject: holder.token_id }]);
    const rows = await activity(holder.person);
    expect(rows.find(({ action }) => action === "token.leak")).toMatchObject({ subject: holder.token_id });
  });

  it("of a dead token says no more than of a live one, and does nothing twice", async () => {
    const holder = await newHolder(locker);
    for (let i = 0; i < 3; i++) expect((await report({ token: holder.token })).status).toBe(202);
    const rows = await activity(holder.person);
    expect(rows.filter(({ action }) => action === "token.leak")).toHaveLength(1);
  });

  it("ends a session", async () => {
    const person = await newPerson(locker);
    expect((await report({ token: person.cookie.slice(person.cookie.indexOf("=") + 1) })).status).toBe(202);
    expect((await person.fetch("/v1/me")).status).toBe(401);
  });

  it("of a refresh token ends its token and the whole family", async () => {
    const person = await newPerson(locker);
    await storeKey(person, "k", upstream.origin);
    const made = await person.api<{ id: string; token: string; refresh_token: string }>("POST", "/v1/tokens", {
      name: "rotating",
      rotation: "hourly",
    });
    expect(await proxied(made.token)).toBe(200);
    expect((await report({ token: made.refresh_token })).status).toBe(202);
    expect(await proxied(made.token)).toBe(401);
    const refreshed = await fetch(`${locker.publicOrigin}/v1/tokens/refresh`, {
      method: "POST",
      headers: { authorization: `Bearer ${made.refresh_token}` },
    });
    expect(refreshed.status).toBe(401);
    expect(await alerts(person)).toMatchObject([{ subject: made.id }]);
  });

  it.each(["access_token", "refresh_token"] as const)("of a client's %s ends its grant", async (which) => {
    const person = await newPerson(locker);
    await storeKey(person, "k", upstream.origin);
    const { client, ...tokens } = await connect(locker, person);
    expect(await proxied(tokens.access_token)).toBe(200);
    expect((await report({ token: tokens[which] })).status).toBe(202);
    expect(await proxied(tokens.access_token)).toBe(401);
    const again = {
      grant_type: "refresh_token",
      client_id: client.client_id,
      refresh_token: tokens.refresh_token ?? "",
    };
    expect((await tokenRequest(locker, again)).status).toBe(400);
    expect((await person.api<{ items: object[] }>("GET", "/v1/grants")).items).toEqual([]);
  });

  it("of a code that was not exchanged yet makes it worthless", async () => {
    const person = await newPerson(locker);
    await storeKey(person, "k", upstream.origin);
    const client = await registerClient(locker);
    const proof = await codeFor(person, client);
    expect((await report({ token: proof.code })).status).toBe(202);
    expect((await tokenRequest(locker, exchangeOf(client, proof))).status).toBe(400);
  });

  it("of what is not ours is taken like any other, and one that is no report is refused", async () => {
    const holder = await newHolder(locker);
    const forged = `${holder.token.slice(0, 40)}${holder.token[40] === "a" ? "b" : "a"}${holder.token.slice(41)}`;
    for (const token of [forged, "sk-live-0123456789", `alk_dc_${"0".repeat(97)}`, holder.token.toUpperCase()]) {
      expect((await report({ token })).status).toBe(202);
    }
    expect((await holder.call("/x")).status).toBe(200);
    for (const body of [{}, { token: "" }, { token: 1 }, { tokens: [] }, { token: "x".repeat(501) }, []]) {
      expect((await report(body)).status).toBe(422);
    }
  });

  it("is owned up to where the vault cannot be reached: it must not be lost", async () => {
    const holder = await newHolder(locker);
    const namespace = { name: holder.token.slice(10, 34) };
    const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", namespace);
    await storage.exec("ALTER TABLE token RENAME TO token_away");
    await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", namespace);
    const answer = await report({ token: holder.token });
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).not.toBeNull();
    await storage.exec("ALTER TABLE token_away RENAME TO token");
    await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", namespace);
    expect((await report({ token: holder.token })).status).toBe(202);
    expect((await holder.call("/x")).status).toBe(401);
  });

  it("is never written to a log", async () => {
    const holder = await newHolder(locker);
    await report({ token: holder.token });
    expect(said.join("\n")).not.toContain(holder.token.slice(40, 80));
  });
});

describe("from one address", () => {
  const key = () => `${randomBytes(32).toString("base64")}`;

  it("only so many reports are taken, and a token of a withdrawn key is asked about only so often", async () => {
    const stateDir = await mkdtemp(join(tmpdir(), "apilocker-weak-"));
    const [old, next] = [key(), key()];
    const first = await startLocker({ stateDir, vars: { TOKEN_KEYS: `aa:${old}` } });
    const holder = await newHolder(first);
    await first.stop();
    const limits = { WEAK_LIMIT: 5, REPORT_LIMIT: 2 };
    const second = await startLocker({ stateDir, vars: { TOKEN_KEYS: `bb:${next},aa:${old}:weak` }, limits });
    try {
      const url = `${second.proxyOrigin}/v1/proxy/api/x`;
      const call = async (token: string) => (await send(url, { headers: { authorization: `Bearer ${token}` } })).status;
      // What the vault knows goes on working: an honest client lost nothing by the leak of the key.
      expect(await call(holder.token)).toBe(200);
      const ring = parseKeyRing("TOKEN_KEYS", `aa:${old}`);
      const { vault_id } = verifyToken(ring, holder.token);
      const answers: number[] = [];
      for (let i = 0; i < 6; i++) answers.push(await call(mintUnder(ring, "app", vault_id).token));
      expect(answers.filter((status) => status === 401)).toHaveLength(4);
      expect(answers.slice(4)).toEqual([429, 429]);
      // Also where it is shown to our own pages.
      const me = await fetch(`${second.publicOrigin}/v1/me`, {
        headers: { authorization: `Bearer ${mintUnder(ring, "dev", vault_id).token}` },
      });
      expect(me.status).toBe(429);
      const agent = await fetch(`${second.publicOrigin}/v1/mcp`, {
        method: "POST",
        headers: { authorization: `Bearer ${mintUnder(ring, "oat", vault_id).token}` },
      });
      expect(agent.status).toBe(429);
      // And as a device code, which has no vault that could tell a forged one: D1 is asked as seldom.
      expect((await poll(second, mintUnder(ring, "dc", NO_VAULT).token)).status).toBe(429);
      for (const status of [202, 202, 429]) expect((await report({ token: "x" }, second)).status).toBe(status);
    } finally {
      await second.stop();
      await rm(stateDir, { recursive: true, force: true });
    }
  });
});
