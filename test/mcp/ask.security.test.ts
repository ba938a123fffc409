/** Ask me first, for MCP clients (DESIGN D14): the yes is given on a page of ours, and no client or model can give it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { eventually, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { call, current, letIn, openSession, resultOf, type Client } from "../support/mcp.ts";
import { connect } from "../support/oauth.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
let ada: Person;
let client: Client;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());
beforeEach(async () => {
  upstream.seen.length = 0;
  ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  client = await letIn(locker, ada, { ask: {} });
});

const URLS = { elicitation: { url: {} } };
const FORMS = { elicitation: { form: {} } };
type Round = { resultType: string; requestState: string; inputRequests: { approval: { params: Asked } } };
type Asked = { mode?: string; url?: string; message: string };
type Question = { id: string; path: string; waiting: boolean };

const wanted = (path: string, more: object = {}) => ({
  name: "proxy_request",
  arguments: { key: "k", method: "POST", path, json: { amount: 1 }, timeout_seconds: 20, ...more },
});
const roundOf = async (params: Record<string, unknown>, capabilities: object) =>
  resultOf(await current(client, "tools/call", params, capabilities)) as Round;
const comeBack = async (
  params: Record<string, unknown>,
  { requestState }: Round,
  answer: object,
  modes: object = URLS,
) =>
  resultOf(
    await current(client, "tools/call", { ...params, inputResponses: { approval: answer }, requestState }, modes),
  );
const questions = async () => (await ada.api<{ items: Question[] }>("GET", "/v1/approvals")).items;
const decide = (id: string, decision: string) => ada.api("POST", `/v1/approvals/${id}`, { decision });

/** The question that somebody waits for at this moment. */
const waitedFor = () => eventually(async () => (await questions()).find(({ waiting }) => waiting));

describe("a client of today that opens pages", () => {
  it("is sent to the question's page, and the call goes out once its owner has answered there", async () => {
    const params = wanted("/pay/now-click-yes");
    const first = await roundOf(params, URLS);
    expect(first.resultType).toBe("input_required");
    const { mode, url = "", message } = first.inputRequests.approval.params;
    const [question] = await questions();
    expect([mode, url]).toEqual(["url", `${locker.publicOrigin}/approvals/${question?.id}`]);
    // What is shown beside our name is ours alone.
    expect(message).not.toContain("now-click-yes");
    expect(upstream.seen).toEqual([]);
    const second = comeBack(params, first, { action: "accept" });
    await decide((await waitedFor()).id, "once");
    expect(await second).toMatchObject({ structuredContent: { status: 200 } });
    expect(upstream.seen.map(({ url, body }) => [url, body.toString()])).toEqual([
      ["/pay/now-click-yes", '{"amount":1}'],
    ]);
  });

  it("finds the answer when it comes late, from the beginning too; each state is good once", async () => {
    const params = wanted("/later", { timeout_seconds: 1 });
    const first = await roundOf(params, URLS);
    // Nobody has answered: opening the page is no yes, whatever else is said.
    const early = await comeBack(params, first, { action: "accept", content: { approved: true, decision: "once" } });
    expect(early).toMatchObject({ isError: true });
    expect(JSON.stringify(early)).toContain("approval_required");
    expect(JSON.stringify(await comeBack(params, first, { action: "accept" }))).toContain("request_state");
    expect(upstream.seen).toEqual([]);

    const again = await roundOf(params, URLS);
    const [question, other] = await questions();
    expect(other).toBeUndefined();
    expect(again.inputRequests.approval.params.url).toContain(question?.id);
    await decide(question?.id ?? "", "once");
    expect(await comeBack(params, again, { action: "accept" })).toMatchObject({ structuredContent: { status: 200 } });
    expect(upstream.seen).toHaveLength(1);
    // Once is once.
    expect(await roundOf(params, URLS)).toMatchObject({ resultType: "input_required" });
  });

  it("gets no other call through with it, and none where its person looked away or said no", async () => {
    const params = wanted("/small");
    const first = await roundOf(params, URLS);
    const larger = wanted("/small", { json: { amount: 1_000_000 } });
    expect(JSON.stringify(await comeBack(larger, first, { action: "accept" }))).toContain("request_state");
    const away = await comeBack(params, first, { action: "decline" });
    expect(JSON.stringify(away)).toContain("policy_denied");
    const again = await roundOf(params, URLS);
    const second = comeBack(params, again, { action: "accept" });
    await decide((await waitedFor()).id, "no");
    expect(JSON.stringify(await second)).toContain("said no");
    expect(upstream.seen).toEqual([]);
  });
});

it("a form is no place for a yes: whatever is typed into it, the question is open", async () => {
  const params = wanted("/form", { timeout_seconds: 1 });
  const first = await roundOf(params, FORMS);
  expect(first.inputRequests.approval.params.url).toBeUndefined();
  expect(first.inputRequests.approval.params.message).toContain("Approvals");
  const typed = { action: "accept", content: { answered: true, confirm: true, decision: "always" } };
  expect(JSON.stringify(await comeBack(params, first, typed, FORMS))).toContain("approval_required");
  expect(upstream.seen).toEqual([]);
  expect(await questions()).toHaveLength(1);
});

it("a client that cannot ask is told where its owner answers, and may come again", async () => {
  const { arguments: args } = wanted("/plain", { timeout_seconds: 1 });
  const { error } = await call(client, "proxy_request", args);
  const [question] = await questions();
  expect(error).toMatchObject({ code: "approval_required", rule: "ask" });
  expect(error?.approval_url).toBe(`${locker.publicOrigin}/approvals/${question?.id}`);
  await decide(question?.id ?? "", "once");
  expect((await call(client, "proxy_request", args)).structured).toMatchObject({ status: 200 });
  expect(upstream.seen).toHaveLength(1);
});

it("and hears meanwhile what is waited for, where it listens for progress", async () => {
  const session = await openSession(client);
  const asked = { ...wanted("/told", { timeout_seconds: 1 }), _meta: { progressToken: "p" } };
  const { messages } = await session.request("tools/call", asked);
  const [question] = await questions();
  const told = messages.find(({ method }) => method === "notifications/progress");
  expect(told?.params).toMatchObject({ progressToken: "p" });
  expect(told?.params?.message).toContain(`/approvals/${question?.id}`);
});

it("in a session the page is asked for on the call's own stream", async () => {
  const session = await openSession(client, { capabilities: { elicitation: { url: {} } } });
  const response = await fetch(client.url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${client.token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...session.headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 7, method: "tools/call", params: wanted("/session") }),
  });
  let heard = "";
  let said = false;
  for await (const chunk of response.body ?? []) {
    heard += new TextDecoder().decode(chunk);
    const [, asked] = /^data: (.*elicitation\/create.*)$/m.exec(heard) ?? [];
    if (said || asked === undefined) continue;
    said = true;
    const { id, params } = JSON.parse(asked) as { id: number; params: Asked };
    const [question] = await questions();
    expect(params).toMatchObject({ mode: "url", url: `${locker.publicOrigin}/approvals/${question?.id}` });
    await decide(question?.id ?? "", "once");
    await session.reply(id, { action: "accept" });
  }
  expect(heard).toContain('"structuredContent"');
  expect(upstream.seen).toHaveLength(1);
});

describe("being asked", () => {
  it("is chosen where a client is let in, and by its person later; never taken back by less", async () => {
    const { access_token } = await connect(locker, ada, {
      scope: "vault:read vault:proxy vault:write",
      ask: "changes",
    });
    const asking = { token: access_token, url: client.url };
    const grants = await ada.api<{ items: { id: string; ask?: object }[] }>("GET", "/v1/grants");
    const grant = grants.items.find(({ id }) => id !== client.grant_id);
    expect(grant?.ask).toEqual({ methods: ["POST", "PUT", "PATCH", "DELETE"] });
    const read = await call(asking, "proxy_request", { key: "k", path: "/read" });
    expect(read.structured).toMatchObject({ status: 200 });
    const write = await call(asking, "proxy_request", { key: "k", path: "/w", method: "PUT", timeout_seconds: 1 });
    expect(write.error).toMatchObject({ code: "approval_required" });
    // The proxy asks too, also about methods that no rule can name.
    const headers = { authorization: `Bearer ${access_token}` };
    const given_up = AbortSignal.timeout(1_500);
    const strange = fetch(`${locker.proxyOrigin}/v1/proxy/k/strange`, { method: "LOCK", headers, signal: given_up });
    await expect(strange).rejects.toThrow();

    await ada.api("PATCH", `/v1/grants/${grant?.id}`, { ask: {} });
    const later = await call(asking, "proxy_request", { key: "k", path: "/read", timeout_seconds: 1 });
    expect(later.error).toMatchObject({ code: "approval_required" });
    const less = await ada.fetch(`/v1/grants/${grant?.id}`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ask: { methods: ["DELETE"] } }),
    });
    expect(less.status).toBe(422);
    expect(upstream.seen.map(({ url }) => url)).toEqual(["/read"]);
  });

  it("holds for tokens that the client had made, and always is written into the grant", async () => {
    const { structured } = await call(client, "create_token", { name: "helper" });
    const { pathname } = new URL(String(structured?.url));
    const page = await (await ada.fetch(pathname, { method: "POST" })).text();
    const [token] = /alk_app_\w+/.exec(page) ?? [];
    const use = () =>
      fetch(`${locker.proxyOrigin}/v1/proxy/k/helped`, { headers: { authorization: `Bearer ${token}` } });
    const held = use();
    await decide((await waitedFor()).id, "always");
    expect((await held).status).toBe(200);
    expect((await use()).status).toBe(200);
    expect(await ada.api("GET", `/v1/grants/${client.grant_id}`)).toMatchObject({
      ask: { allowed: [{ method: "GET", path: "/helped" }] },
    });
  });
});
