import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { filesOf, foundIn } from "../support/canary.ts";
import { eventually, mintToken, newPerson, startLocker } from "../support/locker.ts";
import { connect, exchangeOf, registerClient, codeFor, tokenRequest } from "../support/oauth.ts";
import { killRuntime } from "../support/runtime.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let stateDir: string;
let locker: LocalLocker;
let upstream: Upstream;
const logged: string[] = [];

beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "apilocker-canary-"));
  [locker, upstream] = await Promise.all([
    startLocker({ stateDir, log: (line) => logged.push(line) }),
    startUpstream(),
  ]);
});
afterAll(async () => {
  await Promise.all([locker.stop().catch(() => {}), upstream.stop()]);
  await rm(stateDir, { recursive: true, force: true });
});

/** Unlike anything else, and with signs that every encoding spells otherwise. */
const canary = (what: string) => `canary/${what}+"7Qx41mNvTr09"/Zp8Lw3Kd5=`;
/** What of a token proves anything: the secret between the vault's id and the signature. */
const secretOf = (token: string) => token.slice(34, 77);

it("after a life with every kind of secret, none is in any file, write-ahead log, line of the log, export or error", async () => {
  const ada = await newPerson(locker);
  const secrets: Record<string, string> = {
    "a key": canary("key"),
    "a rotated key": canary("rotated"),
    "a deleted key": canary("deleted"),
    "a password": canary("password"),
    "a client secret": canary("client"),
    "a provider's refresh token": canary("refresh"),
    "a body": canary("body"),
    "a query": canary("query"),
    "a header": canary("header"),
    "a prompt": canary("prompt"),
    "a model's answer": canary("answer"),
    "a body that was asked about": canary("asked"),
  };
  const custom = { provider: "custom", base_url: upstream.origin };
  const store = (body: object) => ada.api<{ id: string }>("POST", "/v1/keys", body);
  const told = new Map<string, Buffer>();
  const tell = async (what: string, answer: Response) => {
    told.set(what, Buffer.from(JSON.stringify([...answer.headers]) + (await answer.text())));
    return answer;
  };

  await store({ name: "k", secret: secrets["a key"], revealable: true, ...custom });
  await store({ name: "gone", secret: secrets["a deleted key"], ...custom });
  await store({
    name: "basic",
    ...custom,
    placement: { in: "basic" },
    fields: { username: "ada", password: secrets["a password"] },
  });
  await store({
    name: "oauth",
    provider: "custom",
    base_url: upstream.origin,
    placement: {
      in: "oauth",
      authorize_url: `${upstream.origin}/authorize`,
      token_url: `${upstream.origin}/token`,
      scopes: "x",
    },
    fields: {
      client_id: "c",
      client_secret: secrets["a client secret"],
      refresh_token: secrets["a provider's refresh token"],
    },
  });
  const minted = await ada.api<{ token: string }>("POST", "/v1/tokens", { name: "app" });
  const rotating = await ada.api<{ token: string; refresh_token: string }>("POST", "/v1/tokens", {
    name: "r",
    rotation: "hourly",
  });
  const refreshed = await fetch(`${locker.publicOrigin}/v1/tokens/refresh`, {
    method: "POST",
    headers: { authorization: `Bearer ${rotating.refresh_token}` },
  }).then((answer) => answer.json<{ token: string; refresh_token: string }>());
  const granted = await connect(locker, ada, { scope: "vault:read vault:proxy" });
  const client = await registerClient(locker);
  const unused = await codeFor(ada, client);
  const spoiled = { ...exchangeOf(client, unused), code_verifier: "x".repeat(43) };
  await tell("a spoiled code", await tokenRequest(locker, spoiled));

  // A model's call that a budget pays for is read for its counts, and one that a person must allow waits with its body.
  await store({ name: "model", provider: "openai", secret: secrets["a key"], base_url: upstream.origin });
  upstream.answerWith((_asked, answer) => {
    const [content, usage] = [secrets["a model's answer"], { prompt_tokens: 30, completion_tokens: 20 }];
    answer.writeHead(200, { "content-type": "application/json" });
    answer.end(JSON.stringify({ model: "gpt-4o", choices: [{ message: { content } }], usage }));
  });
  const posted = async (key: string, policy: object, body: string) => {
    const { token } = await mintToken(ada, policy);
    const headers = { authorization: `Bearer ${token}` };
    return fetch(`${locker.proxyOrigin}/v1/proxy/${key}/v1/chat/completions`, { method: "POST", headers, body });
  };
  const prompt = { model: "gpt-4o", max_tokens: 50, messages: [{ role: "user", content: secrets["a prompt"] }] };
  expect(await (await posted("model", { spend: { usd_per_day: 1 } }, JSON.stringify(prompt))).text()).toContain(
    "usage",
  );
  await eventually(async () => (await ada.api<{ total_usd: number }>("GET", "/v1/spend")).total_usd > 0);
  const waiting = posted("k", { ask: {} }, String(secrets["a body that was asked about"]));
  const question = await eventually(
    async () => (await ada.api<{ items: { id: string }[] }>("GET", "/v1/approvals")).items[0],
  );
  await tell("a question", await ada.fetch(`/approvals/${question.id}`));
  await ada.api("POST", `/v1/approvals/${question.id}`, { decision: "no" });
  await tell("a call that was not allowed", await waiting);
  upstream.answerWith((_asked, answer) => void answer.end("{}"));

  // Upstreams that say everything back, succeed, fail and break off.
  const call = (path: string, key = "k", init: RequestInit = {}) =>
    fetch(`${locker.proxyOrigin}/v1/proxy/${key}${path}?q=${encodeURIComponent(String(secrets["a query"]))}`, {
      ...init,
      headers: { authorization: `Bearer ${minted.token}`, "x-mine": encodeURIComponent(String(secrets["a header"])) },
    });
  const posting = { method: "POST", body: String(secrets["a body"]) };
  await (await call("/fine", "k", posting)).text();
  upstream.answerWith((asked, answer) => {
    answer.writeHead(500, { "x-echo": String(asked.headers.authorization) });
    answer.end(`no: ${asked.headers.authorization}`);
  });
  await tell("an upstream's error", await call("/echo"));
  await tell("an upstream's error to a password", await call("/echo", "basic"));
  upstream.answerWith(({ socket }) => void socket.end(`no HTTP: ${String(secrets["a key"])}`));
  await tell("an upstream that breaks off", await call("/broken"));
  await tell("a key that cannot be renewed", await call("/x", "oauth"));
  upstream.answerWith((_asked, answer) => void answer.end("{}"));
  await tell(
    "a body that is refused",
    await ada.fetch("/v1/keys", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "no name", secret: secrets["a key"], oops: secrets["a body"] }),
    }),
  );
  await ada.api("POST", "/v1/keys/k/rotate", { secret: secrets["a rotated key"] });
  await (await call("/rotated")).text();
  await ada.api("DELETE", "/v1/keys/gone");
  const paths = ["keys", "keys/k", "tokens", "activity", "me", "me/export", "doctor", "spend", "approvals"];
  for (const path of paths) await tell(path, await ada.fetch(`/v1/${path}`));
  for (const format of ["csv", "jsonl"]) await tell(format, await ada.fetch(`/v1/activity/export?format=${format}`));

  const tokens = {
    "an app token": secretOf(minted.token),
    "a rotating token": secretOf(rotating.token),
    "its refresh token": secretOf(rotating.refresh_token),
    "a refreshed token": secretOf(refreshed.token),
    "the next refresh token": secretOf(refreshed.refresh_token),
    "a client's access token": secretOf(granted.access_token),
    "a client's refresh token": secretOf(granted.refresh_token ?? ""),
    "an authorization code": secretOf(unused.code),
    "a session": secretOf(ada.cookie.slice(ada.cookie.indexOf("=") + 1)),
  };
  // As a crash leaves the files: what is in the write-ahead logs is still there.
  await killRuntime(locker);
  const files = await filesOf(join(stateDir, "data"));
  expect([...files.keys()].filter((name) => name.endsWith("-wal")).length).toBeGreaterThan(0);
  const { state } = locker;
  const all = { ...secrets, ...tokens };
  for (const text of Object.values(all)) expect(text.length).toBeGreaterThan(20);
  expect(foundIn(files, all)).toEqual([]);
  expect(foundIn(told, all)).toEqual([]);
  expect(foundIn(new Map([["the log", Buffer.from(logged.join("\n"))]]), all)).toEqual([]);
  expect(logged.length).toBeGreaterThan(0);
  // What is logged is made for machines: one object a line, which says what happened.
  for (const line of logged) expect(JSON.parse(line), line).toMatchObject({ event: expect.any(String) as string });
  // The search itself finds what is there.
  expect(foundIn(files, { "an address": "@example.com" })).not.toEqual([]);
  // The keys of the deployment are in no store of the product.
  const { ROOT_KEYS, TOKEN_KEYS } = await state.secrets();
  const keys = { "the root key": ROOT_KEYS.slice(3), "the token key": TOKEN_KEYS.slice(3) };
  expect(foundIn(files, keys)).toEqual([]);
}, 60_000);
