import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { signIn, type Person } from "../../src/local/person.ts";
import { signInDevice } from "../support/device.ts";
import { activity, eventually, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { letIn } from "../support/mcp.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

type Me = { identities: { email?: string }[]; session: { id: string } };
type Receipt = { id: string; revoked_at: string; last_used_at?: string };
type ProblemBody = { code: string; status: number; errors?: { field: string; rule: string }[] };

async function refusal(person: Person, method: string, path: string, body?: unknown): Promise<ProblemBody> {
  const init =
    body === undefined
      ? { method }
      : { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const response = await person.fetch(path, init);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = await response.json<ProblemBody>();
  expect(problem.status).toBe(response.status);
  return problem;
}

describe("keys", () => {
  it("a stored key is listed, found by id and by name, and its secret is in no answer", async () => {
    const ada = await newPerson(locker);
    const secret = "sk-live-0123456789-never-shown";
    const key = await ada.api<{ id: string }>("POST", "/v1/keys", {
      name: "openai",
      provider: "openai",
      secret,
      tags: ["llm"],
      note: "mine",
    });
    const answers = await Promise.all(
      ["/v1/keys", `/v1/keys/${key.id}`, "/v1/keys/openai"].map(async (path) => (await ada.fetch(path)).text()),
    );
    for (const answer of answers) {
      expect(answer).toContain(key.id);
      expect(answer).not.toContain(secret);
    }
    expect(JSON.stringify(key)).not.toContain(secret);
  });

  it("lists go on where the cursor says, newest first, and filter by tag, provider and text", async () => {
    const ada = await newPerson(locker);
    for (const name of ["a1", "a2", "b1", "b2", "b3"])
      await storeKey(ada, name, upstream.origin, { tags: [name.slice(0, 1)] });
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ada.api<{ items: { name: string }[]; next_cursor?: string }>(
        "GET",
        `/v1/keys?limit=2${cursor === undefined ? "" : `&cursor=${cursor}`}`,
      );
      names.push(...page.items.map(({ name }) => name));
      cursor = page.next_cursor;
    } while (cursor !== undefined);
    expect(names).toEqual(["b3", "b2", "b1", "a2", "a1"]);
    const tagged = await ada.api<{ items: { name: string }[] }>("GET", "/v1/keys?tag=a");
    expect(tagged.items.map(({ name }) => name)).toEqual(["a2", "a1"]);
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/keys?tag=a,b,none")).items).toHaveLength(5);
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/keys?provider=openai")).items).toEqual([]);
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/keys?q=B3")).items).toHaveLength(1);
    await storeKey(ada, "model", "https://api.openai.com", { provider: "openai" });
    const models = await ada.api<{ items: { name: string }[] }>("GET", "/v1/keys?category=llm");
    expect(models.items.map(({ name }) => name)).toEqual(["model"]);
    for (const [path, field] of [
      ["keys?category=all", "category"],
      ["activity?outcome=fine", "outcome"],
      // A filter that is misspelled would let everything through.
      ["activity?outcom=ok", "outcom"],
      ["keys?tags=a", "tags"],
    ])
      expect(await refusal(ada, "GET", `/v1/${path}`)).toMatchObject({ errors: [{ field }] });
    const twice = await storeKey(ada, "twice", upstream.origin, { tags: ["x", "y", "x"] });
    expect(twice).toMatchObject({ tags: ["x", "y"] });
  });

  const bad: [string, object, string][] = [
    ["no name", { name: undefined }, "name"],
    ["a name with a slash", { name: "a/b" }, "name"],
    ["a name like an id", { name: "key_01" }, "name"],
    ["an unknown provider", { provider: "nobody" }, "provider"],
    ["no base_url for a custom provider", { base_url: undefined }, "base_url"],
    ["a base_url with a user", { base_url: "https://user@api.example.com" }, "base_url"],
    ["a base_url with a query", { base_url: "https://api.example.com/?a=b" }, "base_url"],
    ["a base_url that is ours", { base_url: "OURS" }, "base_url"],
    ["no secret at all", { secret: undefined }, "secret"],
    ["both secret and fields", { fields: { secret: "x" } }, "secret"],
    ["a secret with a line break", { secret: "a\r\nx-injected: 1" }, "secret"],
    ["a header that steers the connection", { placement: { in: "header", name: "Host" } }, "placement.name"],
    ["a header value with a line break", { headers: { "x-a": "1\r\nx-b: 2" } }, "headers.x-a"],
    ["a placement that is none", { placement: { in: "cookie" } }, "placement.in"],
    ["a field that does not exist", { colour: "red" }, "colour"],
    ["too many tags", { tags: Array.from({ length: 21 }, (_, n) => `t${n}`) }, "tags"],
  ];
  it.each(bad)("%s is refused with the field's name, and nothing is stored", async (_what, change, field) => {
    const ada = await newPerson(locker);
    const body = { name: "k", provider: "custom", secret: "sk-1234567890", base_url: upstream.origin, ...change };
    if ("base_url" in change && change.base_url === "OURS") body.base_url = locker.proxyOrigin;
    const problem = await refusal(ada, "POST", "/v1/keys", body);
    expect(problem).toMatchObject({ code: "invalid_request", status: 422 });
    expect(problem.errors?.map((error) => error.field)).toContain(field);
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/keys")).items).toEqual([]);
  });

  it("a secret of 64 KiB is stored, a larger one is 413", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "big", upstream.origin, { secret: "s".repeat(65_000) });
    expect(
      await refusal(ada, "POST", "/v1/keys", {
        name: "bigger",
        provider: "custom",
        secret: "s".repeat(70_000),
        base_url: upstream.origin,
      }),
    ).toMatchObject({ code: "too_large", status: 413 });
  });

  it("a name that is taken is 409", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "one", upstream.origin);
    const body = { name: "one", provider: "custom", secret: "sk-another-secret", base_url: upstream.origin };
    expect(await refusal(ada, "POST", "/v1/keys", body)).toMatchObject({ code: "conflict", status: 409 });
  });

  it("a deleted key answers its receipt and is gone from every door", async () => {
    const ada = await newPerson(locker);
    const key = await storeKey(ada, "gone", upstream.origin);
    const { token } = await mintToken(ada, { keys: ["gone"] });
    expect(await ada.api("DELETE", "/v1/keys/gone")).toMatchObject({
      id: key.id,
      streams_cut: 0,
      sessions_closed: 0,
      in_flight: 0,
    });
    expect(await refusal(ada, "GET", `/v1/keys/${key.id}`)).toMatchObject({ code: "not_found" });
    const call = await fetch(`${locker.proxyOrigin}/v1/proxy/gone/x`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(call.status).toBe(404);
    // What was done with it stays on record.
    const rows = (await activity(ada)).filter(({ key: of }) => of === key.id).map(({ action }) => action);
    expect(rows).toEqual(["key.delete", "key.create"]);
  });
});

describe("tokens", () => {
  it("a token is shown once; afterwards only what it may do and how it was used", async () => {
    const ada = await newPerson(locker);
    const key = await storeKey(ada, "k", upstream.origin);
    const { id, token } = await mintToken(ada, { keys: ["k"], methods: ["get"], paths: ["/v1/**"] });
    expect(token).toMatch(/^alk_[a-z]{2,3}_[0-9A-Za-z]{64,160}$/);
    await fetch(`${locker.proxyOrigin}/v1/proxy/k/v1/models`, { headers: { authorization: `Bearer ${token}` } });
    await fetch(`${locker.proxyOrigin}/v1/proxy/k/other`, { headers: { authorization: `Bearer ${token}` } });
    const seen = await ada.api("GET", `/v1/tokens/${id}`);
    expect(seen).toMatchObject({
      policy: { keys: [key.id], methods: ["GET"], paths: ["/v1/**"] },
      uses: 1,
      refused: 1,
      paused: false,
    });
    expect(JSON.stringify(seen)).not.toContain(token);
  });

  it("are found by what is in the name and by whether they live, page by page", async () => {
    const ada = await newPerson(locker);
    const { id: parent_id, token } = await mintToken(ada, {}, "Deploy web");
    const derived = await fetch(`${locker.publicOrigin}/v1/tokens/derive`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "deploy child" }),
    });
    expect(derived.status).toBe(201);
    const soon = new Date(Date.now() + 2_000).toISOString();
    await Promise.all([mintToken(ada, {}, "mail"), mintToken(ada, { expires_at: soon }, "deploy once")]);
    const named = async (query: string) =>
      (await ada.api<{ items: { name: string }[] }>("GET", `/v1/tokens?${query}`)).items.map(({ name }) => name).sort();
    await eventually(async () => (await named("state=ended")).length === 1);
    expect(await named("state=ended")).toEqual(["deploy once"]);
    expect(await named("state=live")).toEqual(["Deploy web", "deploy child", "mail"]);
    expect(await named("q=DEPLOY")).toEqual(["Deploy web", "deploy child", "deploy once"]);
    await ada.api("DELETE", `/v1/tokens/${parent_id}`);
    // What was derived from it ended with it.
    expect(await named("state=live")).toEqual(["mail"]);
    const first = await ada.api<{ items: object[]; next_cursor: string }>(
      "GET",
      "/v1/tokens?q=deploy&state=ended&limit=2",
    );
    expect(first.items).toHaveLength(2);
    expect(await named(`q=deploy&state=ended&cursor=${first.next_cursor}`)).toHaveLength(1);
    expect(await ada.fetch("/v1/tokens?state=dead").then(({ status }) => status)).toBe(422);
  });

  it("a policy that names no key of the vault is refused", async () => {
    const ada = await newPerson(locker);
    expect(await refusal(ada, "POST", "/v1/tokens", { name: "t", policy: { keys: ["nothing"] } })).toMatchObject({
      status: 422,
      errors: [{ field: "policy.keys.0" }],
    });
  });

  const names = [
    "",
    " \n",
    "two\nlines",
    "bell\u0007",
    "\u202etxt.exe",
    "zero\u0000",
    "\u2066hidden\u2069",
    "x".repeat(101),
  ];
  it.each([
    ...names.map((name) => ({ body: { name }, field: "name" })),
    { body: { name: "t", policy: { expires_at: "2020-01-01T00:00:00Z" } }, field: "policy.expires_at" },
    {
      body: { name: "t", policy: { not_before: "2999-01-02T00:00:00Z", expires_at: "2999-01-01T00:00:00Z" } },
      field: "policy.expires_at",
    },
  ])(
    "a name that is not one plain line, or an end that is past or before the beginning, is refused: $body",
    async ({ body, field }) => {
      const ada = await newPerson(locker);
      expect(await refusal(ada, "POST", "/v1/tokens", body)).toMatchObject({ status: 422, errors: [{ field }] });
      expect((await ada.api<{ items: unknown[] }>("GET", "/v1/tokens")).items).toEqual([]);
    },
  );

  it("a name is kept without the space around it, whatever the alphabet", async () => {
    const ada = await newPerson(locker);
    const { id } = await mintToken(ada, {}, " Übung 日本 👩‍💻 ");
    expect(await ada.api("GET", `/v1/tokens/${id}`)).toMatchObject({ name: "Übung 日本 👩‍💻" });
  });

  it("one that was revoked is neither paused nor resumed", async () => {
    const ada = await newPerson(locker);
    const { id } = await mintToken(ada);
    await ada.api("DELETE", `/v1/tokens/${id}`);
    for (const what of ["pause", "resume"])
      expect(await refusal(ada, "POST", `/v1/tokens/${id}/${what}`)).toMatchObject({ code: "conflict" });
    expect(await ada.api("GET", `/v1/tokens/${id}`)).toMatchObject({ paused: false });
  });

  it("revoking twice answers the same receipt", async () => {
    const ada = await newPerson(locker);
    const { id } = await mintToken(ada);
    const first = await ada.api("DELETE", `/v1/tokens/${id}`);
    expect(await ada.api("DELETE", `/v1/tokens/${id}`)).toEqual(first);
    expect(await refusal(ada, "POST", `/v1/tokens/${id}/resume`)).toMatchObject({ code: "conflict" });
  });
});

describe("whatever is revoked", () => {
  it("answers a receipt: of which thing, when, when it was used last, and what was cut", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const app = await mintToken(ada);
    const laptop = await signInDevice(locker, ada);
    const client = await letIn(locker, ada);
    const [{ email = "" } = {}] = (await ada.api<Me>("GET", "/v1/me")).identities;
    const other = await signIn(locker.publicOrigin, email);
    const { session } = await other.api<Me>("GET", "/v1/me");
    const use = async (token: string) => {
      const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    };
    for (const token of [app.token, laptop.token, client.token]) await use(token);
    // Calls that have not told of their end yet would be in flight.
    await eventually(async () => (await activity(ada)).filter(({ status }) => status === 200).length === 3);
    const began = Date.now();
    const everything: [method: string, path: string, id: string | RegExp][] = [
      ["DELETE", `/v1/tokens/${app.id}`, app.id],
      ["DELETE", `/v1/devices/${laptop.id}`, laptop.id],
      ["DELETE", `/v1/grants/${client.grant_id}`, client.grant_id],
      ["DELETE", `/v1/sessions/${session.id}`, session.id],
      ["DELETE", "/v1/keys/k", /^key_/],
      ["POST", "/v1/vault/freeze", /^acc_/],
      ["DELETE", "/v1/sessions", /^acc_/],
    ];
    for (const [method, path, id] of everything) {
      const by = path === "/v1/sessions" ? await signIn(locker.publicOrigin, email) : ada;
      const { revoked_at, last_used_at, ...counts } = await by.api<Receipt>(method, path);
      expect(counts, path).toEqual({
        id: typeof id === "string" ? id : expect.stringMatching(id),
        streams_cut: 0,
        // Ada's, and of whoever signs out everywhere.
        sessions_closed: path === "/v1/sessions" ? 2 : 0,
        in_flight: 0,
      });
      expect(Date.parse(revoked_at), path).toBeGreaterThanOrEqual(began);
      expect(Date.parse(last_used_at ?? ""), path).toBeLessThanOrEqual(Date.parse(revoked_at));
    }
  });
});

describe("activity", () => {
  it("shows every change and every call, newest first, and the chain verifies through D1 and the vault", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const { id, token } = await mintToken(ada, { keys: ["k"] });
    for (let call = 0; call < 120; call++) {
      await fetch(`${locker.proxyOrigin}/v1/proxy/k/n/${call}`, { headers: { authorization: `Bearer ${token}` } });
    }
    await ada.api("DELETE", `/v1/tokens/${id}`);
    const db = await locker.miniflare.getD1Database("DB");
    await eventually(
      async () => ((await db.prepare("SELECT count(*) AS n FROM audit").first<{ n: number }>())?.n ?? 0) > 0,
      20_000,
    );
    const paths: string[] = [];
    let cursor = "";
    do {
      const page = await ada.api<{ items: { action: string; path?: string }[]; next_cursor?: string }>(
        "GET",
        `/v1/activity?limit=50${cursor}`,
      );
      for (const { action, path } of page.items) paths.push(path ?? action);
      cursor = page.next_cursor === undefined ? "" : `&cursor=${page.next_cursor}`;
    } while (cursor !== "");
    const calls = Array.from({ length: 120 }, (_, call) => `/n/${119 - call}`);
    expect(paths).toEqual(["token.revoke", ...calls, "token.create", "key.create", "session.create"]);
    expect(await ada.api("GET", "/v1/activity/verify")).toMatchObject({ ok: true, rows: 124, head: { seq: 124 } });
  });

  it("a row says how the call went", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const { token } = await mintToken(ada);
    const call = await fetch(`${locker.proxyOrigin}/v1/proxy/k/hello?secret=query`, {
      method: "POST",
      body: "hello",
      headers: { authorization: `Bearer ${token}` },
    });
    const id = call.headers.get("apilocker-request-id");
    const row = await eventually(async () =>
      (await activity(ada)).find((one) => one.id === id && one.outcome !== "pending"),
    );
    expect(row).toMatchObject({
      action: "proxy.call",
      outcome: "ok",
      path: "/hello",
      status: 200,
      method: "POST",
      bytes_in: 5,
      bytes_out: 2,
    });
    expect(JSON.stringify(row)).not.toContain("query");
  });
});
