import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { signInDevice } from "../support/device.ts";
import { activity, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { call, confirmed, current, letIn, openSession, resultOf, type Client } from "../support/mcp.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

const ALL = ["vault:read", "vault:proxy", "vault:write", "vault:reveal"];
const SECRET = "sk-typed-by-a-person-7Qx41mNv";

async function pathOf(client: Client, tool: string, args: object): Promise<string> {
  const { structured, error } = await call(client, tool, args);
  expect(error).toBeUndefined();
  expect(structured).toMatchObject({ status: "link" });
  return new URL(String(structured?.url)).pathname;
}

const post = (
  person: Person,
  path: string,
  fields: Record<string, string> = {},
  headers: Record<string, string> = {},
) => person.fetch(path, { method: "POST", body: new URLSearchParams(fields), headers });

describe("a secret passes on a page, not through a model", () => {
  it("a new key is stored for the catalog's own host, which the page shows, with who asked", async () => {
    const ada = await newPerson(locker);
    const client = await letIn(locker, ada);
    const path = await pathOf(client, "store_key", { name: "work", provider: "openai" });
    const page = await (await ada.fetch(path)).text();
    expect(page).toMatch(/class="large">api\.openai\.com</);
    expect(page).toContain("Agent");
    expect(page).not.toContain("<script");
    expect((await post(ada, path, { secret: SECRET })).status).toBe(200);
    expect(await ada.api("GET", "/v1/keys/work")).toMatchObject({
      provider: "openai",
      base_url: "https://api.openai.com",
    });
    expect((await post(ada, path, { secret: SECRET })).status).toBe(404);
  });

  it("no client leads a secret anywhere else", async () => {
    const client = await letIn(locker, await newPerson(locker));
    for (const args of [
      { name: "k", provider: "custom" },
      { name: "k", provider: "custom", base_url: "https://evil.example" },
      { name: "k", provider: "openai", base_url: "https://evil.example" },
      { name: "k", provider: "openai", secret: "sk-from-a-chat" },
      { name: "k", provider: "google-oauth" },
    ])
      expect((await call(client, "store_key", args)).error).toMatchObject({ code: "invalid_request" });
  });

  it("a rotation takes what is typed, and the one before can be had back", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const client = await letIn(locker, ada);
    const path = await pathOf(client, "rotate_key", { key: "k" });
    expect((await post(ada, path, { secret: SECRET })).status).toBe(200);
    expect(await ada.api("GET", "/v1/keys/k")).toMatchObject({ version: 2 });
    expect(await ada.api("POST", "/v1/keys/k/rollback", {})).toMatchObject({ version: 1 });
  });

  it("a revealed secret is on the page and nowhere else", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin, { secret: SECRET });
    const client = await letIn(locker, ada, { scopes: ALL });
    const path = await pathOf(client, "reveal_key", { key: "k" });
    expect(await (await ada.fetch(path)).text()).not.toContain(SECRET);
    const shown = await post(ada, path);
    expect(shown.headers.get("cache-control")).toBe("no-store");
    expect(await shown.text()).toContain(SECRET);
    expect((await post(ada, path)).status).toBe(404);
    const without = await letIn(locker, ada);
    expect((await current(without, "tools/call", { name: "reveal_key", arguments: { key: "k" } })).status).toBe(403);
  });

  it("a token is shown to its owner, reaches no more than who asked, and ends with them", async () => {
    const ada = await newPerson(locker);
    const mine = await storeKey(ada, "mine", upstream.origin);
    await storeKey(ada, "other", upstream.origin);
    const client = await letIn(locker, ada, { keys: [mine.id] });
    expect((await call(client, "create_token", { name: "t", policy: { keys: ["other"] } })).error).toBeDefined();
    const path = await pathOf(client, "create_token", { name: "for my app" });
    const page = await (await ada.fetch(path)).text();
    expect(page).toContain("for my app");
    expect(page).toContain("mine");
    const [token] = /alk_app_\w+/.exec(await (await post(ada, path)).text()) ?? [];
    const use = (key: string) =>
      fetch(`${locker.proxyOrigin}/v1/proxy/${key}/x`, { headers: { authorization: `Bearer ${token}` } });
    expect((await use("mine")).status).toBe(200);
    expect((await use("other")).status).toBe(404);
    await ada.api("DELETE", `/v1/grants/${client.grant_id}`);
    expect((await use("mine")).status).toBe(401);
  });

  it("the same goes for a device that asks by its bridge", async () => {
    const ada = await newPerson(locker);
    const mine = await storeKey(ada, "mine", upstream.origin);
    await storeKey(ada, "other", upstream.origin);
    const { token } = await signInDevice(locker, ada, { keys: [mine.id] });
    const device = { token, grant_id: "", url: `${locker.publicOrigin}/v1/mcp` };
    expect((await call(device, "create_token", { name: "t", policy: { keys: ["other"] } })).error).toBeDefined();
    const path = await pathOf(device, "create_token", { name: "for my app" });
    expect(await (await ada.fetch(path)).text()).not.toContain("every key");
    const [minted] = /alk_app_\w+/.exec(await (await post(ada, path)).text()) ?? [];
    const headers = { authorization: `Bearer ${minted}` };
    expect((await fetch(`${locker.proxyOrigin}/v1/proxy/mine/x`, { headers })).status).toBe(200);
    expect((await fetch(`${locker.proxyOrigin}/v1/proxy/other/x`, { headers })).status).toBe(404);
  });
});

describe("a page", () => {
  it("is worth nothing to anybody else, to another site, or once its asker is gone", async () => {
    const [ada, eve] = [await newPerson(locker, "ada"), await newPerson(locker, "eve")];
    await storeKey(ada, "k", upstream.origin, { secret: SECRET });
    const client = await letIn(locker, ada, { scopes: ALL });
    const path = await pathOf(client, "reveal_key", { key: "k" });
    expect((await eve.fetch(path)).status).toBe(404);
    expect((await post(eve, path)).status).toBe(404);
    expect((await post(ada, path, {}, { "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect(await (await fetch(locker.publicOrigin + path)).text()).toContain("Sign in");
    await ada.api("DELETE", `/v1/grants/${client.grant_id}`);
    expect((await post(ada, path)).status).toBe(404);
  });

  it("shows a name that a model chose in the order in which it is written, and with nothing hidden in it", async () => {
    const ada = await newPerson(locker);
    const client = await letIn(locker, ada);
    expect((await call(client, "create_token", { name: "app \u202egnp.exe" })).error?.code).toBe("invalid_request");
    const path = await pathOf(client, "create_token", { name: "app\u200bgnp.exe" });
    expect(await (await ada.fetch(path)).text()).not.toContain("\u200b");
    expect(await (await post(ada, path)).text()).not.toContain("\u200b");
  });

  it("two posts at once count once", async () => {
    const ada = await newPerson(locker);
    const client = await letIn(locker, ada);
    const path = await pathOf(client, "create_token", { name: "t" });
    const answers = await Promise.all([post(ada, path), post(ada, path)]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 404]);
  });

  it("is void after a freeze, also when it thaws", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const path = await pathOf(await letIn(locker, ada), "rotate_key", { key: "k" });
    await ada.api("POST", "/v1/vault/freeze");
    expect((await post(ada, path, { secret: SECRET })).status).toBe(423);
  });

  it("opens by itself in a client that can, and its link stays out of the model's sight", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const client = await letIn(locker, ada);
    const asked = { name: "rotate_key", arguments: { key: "k" } };
    const url_mode = { elicitation: { url: {} } };
    const first = resultOf(await current(client, "tools/call", asked, url_mode)) as Round;
    expect(first.resultType).toBe("input_required");
    expect(first.inputRequests.page).toMatchObject({ method: "elicitation/create", params: { mode: "url" } });
    const again = { ...asked, inputResponses: { page: { action: "accept" } }, requestState: first.requestState };
    const second = resultOf(await current(client, "tools/call", again, url_mode)) as { structuredContent: object };
    expect(second.structuredContent).toMatchObject({ status: "opened", next: expect.stringContaining("has typed") });
    expect(JSON.stringify(second)).not.toContain("/entry/");
    const not = { ...again, inputResponses: { page: { action: "decline" } } };
    const declined = resultOf(await current(client, "tools/call", not, url_mode));
    expect(declined.structuredContent).toMatchObject({ status: "declined", next: expect.stringContaining("nothing") });
  });
});

type Round = { resultType: string; requestState: string; inputRequests: Record<string, object> };

describe("what destroys", () => {
  const form = { elicitation: { form: {} } };
  const answer = { confirm: { action: "accept", content: { confirm: true } } };

  it("asks the owner first, once for each time", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    await storeKey(ada, "other", upstream.origin);
    const client = await letIn(locker, ada);
    const asked = { name: "delete_key", arguments: { key: "k" } };
    const { requestState, inputRequests } = resultOf(await current(client, "tools/call", asked, form)) as Round;
    expect(JSON.stringify(inputRequests)).toContain("Delete the key");
    // Its client may never come back: that it was asked is on record.
    const asking = (await activity(ada)).filter(({ action }) => action.startsWith("tool."));
    expect(asking).toMatchObject([{ action: "tool.ask", tool: "delete_key", key_name: "k", actor: { name: "Agent" } }]);
    // Nothing has happened yet; and the answer to this question is no answer to another one, nor another client's.
    const elsewhere = { name: "delete_key", arguments: { key: "other" }, inputResponses: answer, requestState };
    expect(await refusedState(client, elsewhere)).toBe(true);
    const thief = await letIn(locker, ada);
    expect(await refusedState(thief, { ...asked, inputResponses: answer, requestState })).toBe(true);
    const forged = { ...asked, inputResponses: answer, requestState: `${requestState.slice(0, -4)}AAAA` };
    expect(await refusedState(client, forged)).toBe(true);
    expect(await ada.api("GET", "/v1/keys/k")).toMatchObject({ name: "k" });

    const no = { ...asked, inputResponses: { confirm: { action: "decline" } }, requestState };
    expect(toolText(await current(client, "tools/call", no, form))).toContain("did not confirm");
    // Declined is answered: the same state is worth nothing any more.
    expect(await refusedState(client, { ...asked, inputResponses: answer, requestState })).toBe(true);

    const next = resultOf(await current(client, "tools/call", asked, form)) as Round;
    const yes = { ...asked, inputResponses: answer, requestState: next.requestState };
    expect(resultOf(await current(client, "tools/call", yes, form))).toHaveProperty("structuredContent.id");
    expect((await ada.fetch("/v1/keys/k")).status).toBe(404);
  });

  async function refusedState(client: Client, params: Record<string, unknown>): Promise<boolean> {
    return toolText(await current(client, "tools/call", params, form)).includes("request_state");
  }

  function toolText(of: Parameters<typeof resultOf>[0]): string {
    return JSON.stringify(resultOf(of).content);
  }

  it("deletes a key for seven days, in which its owner has it back, secret and all", async () => {
    const ada = await newPerson(locker);
    const stored = await storeKey(ada, "k", upstream.origin, { secret: SECRET });
    const client = await letIn(locker, ada);
    await confirmed(client, "delete_key", { key: "k" });
    const { token } = await mintToken(ada);
    const use = () => fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } });
    expect((await use()).status).toBe(404);
    expect(await ada.api("POST", "/v1/keys/k/restore")).toMatchObject({ id: stored.id, name: "k" });
    expect((await use()).status).toBe(200);
    expect(upstream.seen.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
    // What its owner deletes is gone.
    await ada.api("DELETE", "/v1/keys/k");
    expect((await ada.fetch("/v1/keys/k/restore", { method: "POST" })).status).toBe(404);
  });

  it("hands a client that cannot ask a page on which its owner agrees: to this, for it, once", async () => {
    const ada = await newPerson(locker);
    const [{ id }, other] = [await mintToken(ada, {}, "my app"), await mintToken(ada, {}, "other")];
    const [client, thief] = [await letIn(locker, ada), await letIn(locker, ada)];
    const wrong = await call(client, "revoke_token", { id, confirm: "my ap" });
    expect(wrong.error).toMatchObject({ code: "invalid_request", rule: "confirm" });
    // That a model says a name is no yes.
    const { error } = await call(client, "revoke_token", { id, confirm: "my app" });
    expect(error).toMatchObject({ code: "approval_required", rule: "confirm" });
    const { pathname } = new URL(error?.approval_url ?? "");
    const page = await (await ada.fetch(pathname)).text();
    expect(page).toMatch(/class="large">my app</);
    expect(page).toContain("Revoke this app token?");
    expect((await call(client, "revoke_token", { id })).error).toMatchObject({ code: "approval_required" });
    // Asked again, there is a new page and the one before is void.
    expect((await post(ada, pathname)).status).toBe(404);
    const again = await call(client, "revoke_token", { id });
    expect((await post(ada, new URL(again.error?.approval_url ?? "").pathname)).status).toBe(200);
    expect(await ada.api("GET", `/v1/tokens/${id}`)).not.toHaveProperty("revoked_at");
    expect((await call(client, "revoke_token", { id: other.id })).error).toMatchObject({ code: "approval_required" });
    expect((await call(thief, "revoke_token", { id })).error).toMatchObject({ code: "approval_required" });
    expect((await call(client, "revoke_token", { id })).structured).toMatchObject({ id });
    expect((await call(client, "revoke_token", { id })).error).toMatchObject({ code: "approval_required" });
  });

  it("opens that page in a client that can, and goes on once its owner has agreed there", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const client = await letIn(locker, ada);
    const asked = { name: "delete_key", arguments: { key: "k" } };
    const modes = { elicitation: { url: {} } };
    const { requestState, inputRequests } = resultOf(await current(client, "tools/call", asked, modes)) as Round;
    const { url } = (inputRequests.page as { params: { url: string } }).params;
    const opened = { ...asked, inputResponses: { page: { action: "accept" } }, requestState };
    const second = current(client, "tools/call", opened, modes);
    expect((await post(ada, new URL(url).pathname)).status).toBe(200);
    expect(resultOf(await second)).toHaveProperty("structuredContent.id");
    expect((await ada.fetch("/v1/keys/k")).status).toBe(404);
  });

  it("a client that can ask is not let off by a model that names things", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const client = await letIn(locker, ada);
    const asked = { name: "delete_key", arguments: { key: "k", confirm: "k" } };
    expect(resultOf(await current(client, "tools/call", asked, form))).toHaveProperty("resultType", "input_required");
  });

  it("in a session the client is asked while the call waits", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const client = await letIn(locker, ada);
    const session = await openSession(client, { capabilities: { elicitation: {} } });
    const response = await fetch(client.url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${client.token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...session.headers,
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 9,
        method: "tools/call",
        params: { name: "delete_key", arguments: { key: "k" } },
      }),
    });
    let text = "";
    let answered = false;
    for await (const chunk of response.body ?? []) {
      text += new TextDecoder().decode(chunk);
      const [, line] = /^data: (.*elicitation\/create.*)$/m.exec(text) ?? [];
      if (line === undefined || answered) continue;
      answered = true;
      const { id } = JSON.parse(line) as { id: string };
      await session.reply(id, { action: "accept", content: { confirm: true } });
    }
    expect(answered).toBe(true);
    expect(text).toContain("streams_cut");
    expect((await ada.fetch("/v1/keys/k")).status).toBe(404);
  });

  it("freezing stops the client that asked for it too", async () => {
    const ada = await newPerson(locker);
    const client = await letIn(locker, ada);
    const session = await openSession(client);
    expect((await confirmed(client, "freeze_vault")).structured).toMatchObject({
      sessions_closed: 1,
    });
    expect((await current(client, "tools/list")).status).toBe(423);
    expect((await session.request("tools/list")).status).toBe(423);
  });
});
