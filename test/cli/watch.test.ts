import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { WebSocketServer } from "ws";
import { Locker } from "../../src/cli/client.ts";
import { follow } from "../../src/cli/follow.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import type { Person } from "../../src/local/person.ts";
import { bundle, Computer, ended, said } from "../support/cli.ts";
import { eventually, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { connect } from "../support/oauth.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream(), bundle()]);
});
afterAll(() => upstream.stop());

async function signedIn(choices = {}): Promise<{ ada: Person; computer: Computer; device: { id: string } }> {
  const [ada, computer] = [await newPerson(locker), new Computer()];
  const device = await computer.signIn(locker, ada, choices);
  return { ada, computer, device };
}

type Items<T> = { items: T[] };

describe("tokens", () => {
  it("are created, listed, found by name and by a piece of their id, and revoked", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    const made = await computer.here([
      "tokens",
      "create",
      "my app",
      "--keys",
      "k",
      "--method",
      "get",
      "--path",
      "/v1/**",
      "--expires",
      "30d",
    ]);
    expect(made.stdout).toMatch(/^alk_app_\w+\n$/);
    expect(made.stderr).toContain(`${locker.proxyOrigin}/v1/proxy`);
    const { items } = await computer.json<Items<{ id: string; policy: object }>>(["tokens", "list"]);
    expect(items[0]?.policy).toMatchObject({ methods: ["GET"], paths: ["/v1/**"] });
    expect((await computer.here(["tokens", "list"])).stdout).toMatch(/my app\s+k\s+ends in (29|30) d/);
    expect((await computer.here(["tokens", "show", "my app"])).stdout).toMatch(/Keys\s+k\n/);
    expect(await computer.json(["tokens", "list", "--search", "MY"])).toMatchObject({ items: [{ name: "my app" }] });
    expect(await computer.json(["tokens", "list", "--search", "other"])).toEqual({ items: [] });
    expect((await computer.here(["tokens", "show", "my app"])).stdout).toMatch(
      /Methods\s+GET[\s\S]*Paths\s+\/v1\/\*\*/,
    );
    await computer.json(["tokens", "pause", "my app"]);
    await computer.json(["tokens", "resume", items[0]!.id.slice(-8)]);
    expect((await computer.here(["tokens", "revoke", "nothing", "--yes"])).code).toBe(1);
    await computer.json(["tokens", "revoke", "my app", "--yes"]);
    expect(await computer.json(["tokens", "list"])).toEqual({ items: [] });
    expect((await computer.json<Items<object>>(["tokens", "list", "--all", "--limit", "5"])).items).toHaveLength(1);
    // The name is free again, and means the one that lives.
    const [again, another] = [await mintToken(ada, {}, "my app"), await mintToken(ada, {}, "brief")];
    expect(await computer.json(["tokens", "show", "my app"])).toMatchObject({ id: again.id });
    await ada.api("DELETE", `/v1/tokens/${another.id}`);
    expect(await computer.json(["tokens", "list", "--limit", "1"])).toMatchObject({ items: [{ id: again.id }] });
  });

  it("are held to every rule that is said", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    const words =
      "tokens create strict --keys k --rate 60 --daily 1000 --max-uses 9 --at-once 2 --ip 10.0.0.0/8 --country de --usd-per-day 1.5 --usd-per-month 20 --ask-method delete --ask-path /v1/**".split(
        " ",
      );
    await computer.json(words);
    const { items } = await ada.api<Items<{ policy: object }>>("GET", "/v1/tokens");
    expect(items[0]?.policy).toMatchObject({
      rate: { per_minute: 60 },
      daily_quota: 1000,
      max_uses: 9,
      max_concurrent: 2,
      ip_allow: ["10.0.0.0/8"],
      countries: ["DE"],
      spend: { usd_per_day: 1.5, usd_per_month: 20 },
      ask: { methods: ["DELETE"], paths: ["/v1/**"] },
    });
    expect(await computer.here(["tokens", "create", "x", "--keys", "k", "--rate", "0"])).toMatchObject({ code: 2 });
    expect(await computer.here(["tokens", "create", "x", "--keys", "k", "--expires", "soon"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("30d"),
    });
  });

  it("that rotate come with what renews them", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    const made = await computer.here(["tokens", "create", "short", "--keys", "k", "--rotation", "hourly"]);
    const [token = "", refresh = ""] = made.stdout.trim().split("\n");
    expect(token).toMatch(/^alk_app_/);
    expect(made.stderr).toContain("refresh token");
    const renewed = await fetch(`${locker.publicOrigin}/v1/tokens/refresh`, {
      method: "POST",
      headers: { authorization: `Bearer ${refresh}` },
    });
    expect(await renewed.json()).toMatchObject({ token: expect.stringMatching(/^alk_app_/) });
  });
});

describe("clients and devices", () => {
  it("are listed and sent away", async () => {
    const { ada, computer } = await signedIn();
    expect((await computer.here(["clients", "list"])).stderr).toContain("No client is connected");
    await connect(locker, ada, { scope: "vault:read" });
    const { items } = await computer.json<Items<{ id: string; client_name: string }>>(["clients", "list"]);
    expect((await computer.here(["clients", "list"])).stdout).toContain("vault:read");
    expect((await computer.here(["clients", "pause", items[0]!.client_name])).stderr).toContain("/clients");
    expect((await computer.here(["clients", "list"])).stdout).toContain("paused");
    expect((await computer.here(["clients", "revoke", items[0]!.client_name])).code).toBe(2);
    expect(await computer.json(["clients", "revoke", items[0]!.client_name, "--yes"])).toHaveProperty("revoked_at");
    expect((await computer.json<Items<object>>(["clients", "list"])).items).toEqual([]);
    const other = new Computer();
    await other.signIn(locker, ada, { name: "other" });
    const devices = await computer.here(["devices", "list"]);
    expect(devices.stdout).toMatch(/laptop[\s\S]*this one|this one[\s\S]*laptop/);
    await computer.json(["devices", "rename", "other", "gone soon"]);
    await computer.json(["devices", "revoke", "gone soon", "--yes"]);
    expect((await computer.here(["devices", "list", "--all"])).stdout).toContain("signed out");
    expect((await other.here(["list"])).code).toBe(3);
  });
});

describe("approvals", () => {
  /** A call of a token that must ask, once its question is there. */
  async function held({ ada, computer }: { ada: Person; computer: Computer }, path: string, token?: string) {
    const said = token ?? (await mintToken(ada, { ask: {} }, 'the "agent"')).token;
    const call = fetch(`${locker.proxyOrigin}/v1/proxy/k${path}`, { headers: { authorization: `Bearer ${said}` } });
    const question = await eventually(async () => {
      const { items } = await computer.json<Items<{ id: string; path: string }>>(["approvals"]);
      return items.find((one) => one.path === path);
    });
    return { call, ...question };
  }

  it("are listed, shown with the program's own words in quotes, and answered", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    expect((await computer.here(["approvals", "list"])).stderr).toContain("Nothing waits");
    const first = await held({ ada, computer }, "/pay");
    expect((await computer.here(["approvals"])).stdout).toMatch(/GET\s+\/pay/);
    const { stdout } = await computer.here(["approvals", "show", first.id.slice(-8)]);
    expect(stdout).toContain(`wants to call ${new URL(upstream.origin).host}. It says of itself:`);
    expect(stdout).toContain('"the \\"agent\\""');
    expect((await computer.here(["approvals", "approve", first.id])).code).toBe(2);
    expect((await computer.here(["approvals", "approve", first.id, "--yes"])).stderr).toContain("let through, once");
    expect((await first.call).status).toBe(200);
    expect(await computer.here(["approvals", "deny", first.id])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("answered already"),
    });
    const second = await held({ ada, computer }, "/no");
    expect(await computer.json(["approvals", "deny", second.id.slice(-6)])).toMatchObject({ decision: "no" });
    expect((await second.call).status).toBe(403);
    const { token } = await mintToken(ada, { ask: {} });
    const third = await held({ ada, computer }, "/often", token);
    const typed = await computer.typing(["approvals", "approve", third.id, "--for", "10m"], "for 10m?", "y");
    expect(typed.stdout).toContain(`to ${new URL(upstream.origin).host}`);
    expect((await third.call).status).toBe(200);
    const again = await fetch(`${locker.proxyOrigin}/v1/proxy/k/often`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(again.status).toBe(200);
  });

  it("of what the device has minted itself are its person's, in the browser", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    const { token } = await computer.json<{ token: string }>(["tokens", "create", "mine", "--keys", "k", "--ask"]);
    const { call, id } = await held({ ada, computer }, "/pay", token);
    const refused = await computer.here(["approvals", "approve", id, "--yes"]);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${locker.publicOrigin}/approvals/${id}`),
    });
    const opened = await computer.here(["approvals", "open", id, "--no-browser"]);
    expect(opened.stdout).toBe(`${locker.publicOrigin}/approvals/${id}\n`);
    await ada.api("POST", `/v1/approvals/${id}`, { decision: "always" });
    expect((await call).status).toBe(200);
    expect((await computer.here(["approvals", "show", id])).stdout).toContain("from now on");
  });

  it("are told as they come, and those that were there before, each once", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    const before = await held({ ada, computer }, "/before");
    const child = await computer.start(["approvals", "list", "--follow", "--json"], { input: "" });
    let heard = "";
    child.stdout?.on("data", (chunk: Buffer) => (heard += chunk.toString()));
    const told = () =>
      heard
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { path: string; decision?: string });
    await eventually(() => Promise.resolve(heard.includes("/before")));
    const after = await held({ ada, computer }, "/after");
    await ada.api("POST", `/v1/approvals/${before.id}`, { decision: "once" });
    await ada.api("POST", `/v1/approvals/${after.id}`, { decision: "no" });
    await eventually(() => Promise.resolve(heard.includes('"no"')));
    expect(told().map(({ path, decision = "open" }) => `${path} ${decision}`)).toEqual([
      "/before open",
      "/after open",
      "/before once",
      "/after no",
    ]);
    child.kill();
    await Promise.all([before.call, after.call]);
  });
});

describe("explain", () => {
  it("tells what would be decided, and ends with 1 for a refusal", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    await mintToken(ada, { methods: ["GET", "DELETE"], ask: { methods: ["DELETE"] }, countries: ["DE"] }, "app");
    const explain = (method: string, country: string) =>
      computer.here([
        "explain",
        "app",
        "--key",
        "k",
        "--path",
        "/v1/x",
        "--ip",
        "192.0.2.1",
        "--method",
        method,
        "--country",
        country,
      ]);
    expect(await explain("GET", "DE")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^It would be let through/),
    });
    expect(await explain("DELETE", "DE")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/wait for your yes/),
    });
    expect(await explain("POST", "DE")).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/refused by methods[\s\S]*✗ methods\n/),
    });
    expect(await explain("GET", "US")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("refused by countries"),
    });
    expect(upstream.seen.filter(({ url }) => url === "/v1/x")).toEqual([]);
    // Of a device's own token the device is judged too: which of them a line is about is said.
    await computer.json(["tokens", "create", "own", "--keys", "k"]);
    expect((await computer.here(["explain", "own", "--key", "k"])).stdout).toMatch(/✓ token of dev_/);
  });
});

describe("what happened", () => {
  it("is shown as a table, found by what it is about, and told as it happens", async () => {
    const { ada, computer, device } = await signedIn();
    const past = await computer.here(["activity", "--action", "session.create"]);
    expect(past.stdout).toMatch(/^WHEN\s+WHO\s+WHAT/);
    const child = await computer.start(["activity", "-f", "--action", "key.create", "--json"], { input: "" });
    await said(child, /listening/);
    const heard = said(child, /"key_name":"fresh"/, "stdout");
    await storeKey(ada, "other", upstream.origin);
    await storeKey(ada, "fresh", upstream.origin);
    expect((await heard)[0]).toBeDefined();
    child.kill("SIGTERM");
    await computer.json(["rename", "other", "renamed"]);
    await computer.json(["pause", "fresh"]);
    const { token, id } = await mintToken(ada, {}, "caller");
    await fetch(`${locker.proxyOrigin}/v1/proxy/renamed/x`, { headers: { authorization: `Bearer ${token}` } });
    const found = async (args: string[]) =>
      (await computer.json<Items<{ action: string }>>(args)).items.map(({ action }) => action);
    expect(await found(["activity", "--device", device.id, "--limit", "1"])).toEqual(["key.pause"]);
    expect(await found(["activity", "--token", "caller"])).toEqual(["proxy.call", "token.create"]);
    expect(await found(["activity", "--token", id, "--outcome", "refused"])).toEqual([]);
    expect(await found(["activity", "--key", "fresh"])).toEqual(["key.pause", "key.create"]);
    expect(await found(["activity", "--search", "renamed", "--action", "proxy.call"])).toEqual(["proxy.call"]);
    expect(await found(["activity", "--since", "2h", "--action", "key.pause"])).toEqual(["key.pause"]);
    expect(await found(["activity", "--since", "2999-01-01"])).toEqual([]);
    expect(await computer.here(["activity", "--since", "lately"])).toMatchObject({ code: 2 });
    const file = await computer.here(["activity", "--key", "fresh", "--export", "jsonl"]);
    const rows = file.stdout.trim().split("\n");
    expect(rows.map((line) => (JSON.parse(line) as { action: string }).action)).toEqual(["key.pause", "key.create"]);
    expect(await computer.here(["activity", "-f", "--export", "csv"])).toMatchObject({ code: 2 });
  });

  it("goes on being heard until the device is revoked", async () => {
    const { ada, computer, device } = await signedIn();
    const child = await computer.start(["activity", "-f"], { input: "" });
    const done = ended(child);
    await said(child, /listening/);
    await ada.api("DELETE", `/v1/devices/${device.id}`);
    expect(await done).toMatchObject({ code: 3, stderr: expect.stringContaining("apilocker login") });
  });

  it("goes on being heard when the locker has been away for a while", async () => {
    const sockets = new WebSocketServer({ noServer: true });
    const server = createServer();
    let asked = 0;
    server.on("upgrade", (request, socket: Socket, head) => {
      const time = ++asked;
      // It goes, is not there twice, and is back.
      if (time === 2 || time === 3) return void socket.destroy();
      sockets.handleUpgrade(request, socket, head, (opened) => {
        if (time === 1) opened.terminate();
        else opened.send(JSON.stringify({ type: "alert" }), () => opened.close(4001));
      });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const at = new Locker({ url: `http://127.0.0.1:${port}`, token: "t", profile: "", stored: true });
    const heard: string[] = [];
    vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const followed = follow(
      at,
      ({ type }) => void heard.push(type),
      async () => {},
    );
    await expect(followed).rejects.toMatchObject({ code: "sign_in_needed" });
    expect([asked, heard]).toEqual([4, ["alert"]]);
  });

  it("is a file whole, in however many parts it comes", async () => {
    const asked: string[] = [];
    const server = createServer(({ url = "" }, response) => {
      asked.push(url);
      const [, cursor] = /cursor=(\d)/.exec(url) ?? [];
      if (asked.length === 2) return void response.writeHead(429, { "retry-after": "0" }).end("{}");
      const next =
        cursor === "1" ? {} : { link: `</v1/activity/export?format=csv&cursor=${cursor ? 1 : 2}>; rel="next"` };
      response.writeHead(200, next).end(`part ${cursor}\n`);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const computer = new Computer();
    const env = { APILOCKER_URL: url, APILOCKER_TOKEN: "t" };
    const file = await computer.here(["activity", "--export", "csv"], { env });
    expect(file).toMatchObject({ code: 0, stdout: "part undefined\npart 2\npart 1\n" });
    expect(asked.map((one) => /cursor=\d/.exec(one)?.[0])).toEqual([undefined, "cursor=2", "cursor=2", "cursor=1"]);
  });

  it("verify tells that the record holds, and ends with 1 where it does not", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    const holds = await computer.here(["verify"]);
    expect(holds).toMatchObject({ code: 0, stdout: expect.stringContaining("Every row is there") });
    const { token } = await mintToken(ada);
    const db = await locker.miniflare.getD1Database("DB");
    const decision = JSON.stringify({ seq: 1_000, prev: "", action: "key.delete", outcome: "ok" });
    await db
      .prepare("INSERT INTO audit (vault_id, seq, at, decision, hash) VALUES (?, 1000, 0, ?, ?)")
      .bind(token.slice(10, 34), decision, createHash("sha256").update(decision).digest("base64url"))
      .run();
    const { code, stdout } = await computer.here(["verify", "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, fault: "row 1000 was added" });
  });

  it("doctor ends with 1 where something needs the owner", async () => {
    const { ada, computer } = await signedIn();
    expect(await computer.here(["doctor"])).toMatchObject({ code: 0, stdout: expect.stringContaining("All is well") });
    await storeKey(ada, "old", upstream.origin, { expires_at: new Date(Date.now() + 86_400_000).toISOString() });
    const { code, stdout } = await computer.here(["doctor", "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ items: [{ code: "key_expiring" }] });
  });

  it("a leaked token is an alert, and a frozen vault says how to go on", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    expect((await computer.here(["alerts"])).stdout).toContain("no alerts");
    const { token } = await mintToken(ada);
    await fetch(`${locker.publicOrigin}/v1/report-leak`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    const { items } = await computer.json<Items<{ kind: string }>>(["alerts", "--all"]);
    expect(items.map(({ kind }) => kind)).toEqual(["token_leak"]);
    expect((await computer.here(["freeze"])).code).toBe(2);
    expect(await computer.json(["freeze", "--yes"])).toHaveProperty("streams_cut", 0);
    expect(await computer.here(["pause", "k"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("apilocker unfreeze"),
    });
    expect(await computer.json(["unfreeze", "--no-browser"])).toEqual({ url: `${locker.publicOrigin}/settings` });
  });
});
