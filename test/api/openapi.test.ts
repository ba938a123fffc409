import { AjvJsonSchemaValidator } from "@modelcontextprotocol/client/validators/ajv";
import { afterAll, expect, it, vi } from "vitest";
import { OPERATIONS } from "../../src/api/schema.ts";
import { signIn, type Person } from "../../src/local/person.ts";
import { signInDevice } from "../support/device.ts";
import { askOwner, moveIn } from "../support/lived_in.ts";
import { eventually, newPerson, usualLocker, type Minted } from "../support/locker.ts";
import { confirmed, letIn } from "../support/mcp.ts";
import { startUpstream } from "../support/upstream.ts";

const [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);

afterAll(() => upstream.stop());

type Media = { content?: Record<string, { schema: object }> };
type Described = {
  operationId: string;
  "x-authority": string[];
  parameters: { name: string; in: string; required: boolean }[];
  requestBody?: object;
  responses: Record<string, Media>;
};
type Document = {
  paths: Record<string, Record<string, Described>>;
  components: { responses: { problem: Media }; securitySchemes: { session: { name: string } } };
};
type Caller = Pick<Person, "fetch">;

const validator = new AjvJsonSchemaValidator();
const { paths, components } = await (await fetch(`${locker.publicOrigin}/openapi.json`)).json<Document>();
const described = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
);
const named = (id: string) => described.find(({ operationId }) => operationId === id)!;

const asJson = (body: object | undefined) =>
  body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };

/** Calls an operation by its id and holds the answer against what the document says of it. */
async function asked(
  by: Caller,
  id: string,
  { at = {}, query = "", body }: { at?: Record<string, string>; query?: string; body?: object } = {},
): Promise<Record<string, unknown>> {
  const { path, method, responses } = named(id);
  const url = path.replace(/\{(\w+)\}/g, (_, name: string) => at[name] ?? "absent") + query;
  const response = await by.fetch(url, { method, ...asJson(body) });
  const [type = ""] = (response.headers.get("content-type") ?? "").split(";");
  const text = await response.text();
  const told = responses[response.status]?.content?.[type];
  expect(told, `${id}: ${response.status} ${type} ${text.slice(0, 500)}`).toBeDefined();
  if (type !== "application/json") return {};
  expect(validator.getValidator(told!.schema)(JSON.parse(text)), `${id}: ${text}`).toMatchObject({ valid: true });
  return JSON.parse(text) as Record<string, unknown>;
}

type Items = { items: { id: string }[] };

/** Operations that answer a list which may be long. */
const lists = described.filter(({ method, responses, "x-authority": authority }) => {
  const schema = responses[200]?.content?.["application/json"]?.schema as { properties?: object } | undefined;
  const forPeople = authority.includes("session");
  return (
    forPeople &&
    method === "GET" &&
    "items" in (schema?.properties ?? {}) &&
    !("counting" in (schema?.properties ?? {}))
  );
});

it("every list takes a limit of 200 at most and a cursor that the page before gave, and no other", async () => {
  const ada = await newPerson(locker);
  const id = `key_${"0".repeat(26)}`;
  expect(lists.length).toBeGreaterThan(15);
  for (const { path } of lists) {
    const url = path.replace(/\{\w+\}/g, "absent");
    const wrong = [
      ..."0 -1 201 NaN 1.5".split(" ").map((limit) => ({ limit })),
      { cursor: "" },
      { cursor: "nonsense" },
    ];
    if (path !== "/v1/keys") wrong.push({ cursor: id });
    for (const query of wrong) {
      const response = await ada.fetch(`${url}?${new URLSearchParams(query).toString()}`);
      const field = Object.keys(query)[0];
      expect([response.status, await response.json()], `${path} ${JSON.stringify(query)}`).toMatchObject([
        422,
        { errors: [{ field }] },
      ]);
    }
  }
});

it("every operation answers what the document says, to the letter, in a vault that was lived in", async () => {
  const ada = await newPerson(locker);
  const { tokens, client, keys } = await moveIn(locker, ada, upstream);
  const device = await signInDevice(locker, ada);
  const done = new Set<string>();
  const ask = async (id: string, more: Parameters<typeof asked>[2] = {}, by: Caller = ada) => {
    done.add(id);
    return asked(by, id, more);
  };
  await Promise.all([...READS.map((id) => ask(id)), ...LONG.map((id) => ask(id, { query: "?limit=200" }))]);
  for (const format of ["csv", "jsonl"]) await ask("exportActivity", { query: `?format=${format}` });
  await ask("me", {}, device);
  // Whatever is listed: a page after the other, and nothing twice or never.
  for (const { path, operationId } of lists.filter(({ path }) => !path.includes("{") && path !== "/v1/activity")) {
    const page = async (query: string) => (await ask(operationId, { query })) as Items & { next_cursor?: string };
    // Something may happen to what is listed between one page and the next: a message to a webhook is taken, say.
    await vi.waitFor(async () => {
      const whole = await page("?limit=200");
      const first = await page(`?limit=${Math.max(1, Math.ceil(whole.items.length / 2))}`);
      const rest = first.next_cursor === undefined ? [] : (await page(`?limit=200&cursor=${first.next_cursor}`)).items;
      expect([...first.items, ...rest], path).toEqual(whole.items);
    }, 20_000);
  }

  const key = { key: String((await ask("createKey", { body: KEY })).id) };
  await ask("changeKey", { at: key, body: { note: "mine", expires_at: "2030-01-01T00:00:00Z", revealable: true } });
  await ask("rotateKey", { at: key, body: { secret: "sk-9876543210", overlap_seconds: 60 } });
  await ask("rollBackKey", { at: key, body: {} });
  for (const id of ["getKey", "listKeyVersions", "revealKey", "pauseKey", "resumeKey"]) await ask(id, { at: key });
  await ask("getKey", { at: { key: keys.openai! } });
  await ask("revealKeys", { body: { keys: ["new"] } });
  await ask("testKey", { at: key, body: { path: "/v1/models" } });
  await ask("createEntryLink", { at: key });
  const account = { key: String((await ask("createKey", { body: ACCOUNT })).id) };
  for (const id of ["connectKey", "disconnectKey", "getKey"]) await ask(id, { at: account });
  await ask("deleteKey", { at: key });

  const rotating = await ask("createToken", {
    body: { name: "r", rotation: "daily", policy: { keys: ["stripe@live"] } },
  });
  const at = { id: String(rotating.id) };
  await ask("refreshToken", {}, holding(String(rotating.refresh_token)));
  await ask("changeToken", { at, body: { name: "renamed", policy: { methods: ["GET"] } } });
  for (const id of ["getToken", "pauseToken", "resumeToken"]) await ask(id, { at });
  await ask("listAllowedKeys", {}, holding(String(rotating.token)));
  await ask("deriveToken", { body: { name: "child", policy: { max_uses: 1 } } }, holding(String(rotating.token)));
  const own = await device.api<Minted>("POST", "/v1/tokens", {
    name: "run",
    policy: { expires_at: new Date(Date.now() + 60_000).toISOString() },
  });
  await ask("keepToken", { at: { id: own.id }, body: { seconds: 60 } }, device);
  await ask("explain", { body: { token_id: tokens.agent, key: "openai@prod", path: "/v1/chat/completions" } });
  await ask("explain", { body: { token_id: tokens.hostile, key: "openai@prod" } });

  const trust = await ask("createTrust", { body: TRUST });
  await ask("deleteTrust", { at: { id: String(trust.id) } });
  await ask("setPrice", { body: PRICE });
  await ask("resetPrice", { body: { provider: PRICE.provider, model: PRICE.model } });

  const hook = await ask("createWebhook", { body: { url: `${upstream.origin}/hooks/other` } });
  await ask("testWebhook", { at: { id: String(hook.id) } });
  const sent = await eventually(async () => {
    const { items } = (await ask("listDeliveries", { at: { id: String(hook.id) } })) as Items;
    return items[0];
  });
  await ask("redeliver", { at: { id: String(hook.id), delivery: sent.id } });
  await ask("deleteWebhook", { at: { id: String(hook.id) } });

  const { items: alerts } = (await ask("listAlerts")) as Items;
  await ask("acknowledgeAlert", { at: { id: alerts[0]!.id } });
  await ask("changeAlertSettings", { body: { volume: { enabled: false } } });

  const call = await askOwner(locker, ada);
  const question = await eventually(async () => ((await ask("listApprovals")) as Items).items[0]);
  await ask("getApproval", { at: { id: question.id } });
  await ask("answerApproval", { at: { id: question.id }, body: { decision: "no" } });
  call.leave();

  await ask("getDevice", { at: { id: device.id } });
  await ask("changeDevice", {
    at: { id: device.id },
    body: { name: "laptop", reveal: "none", ask: { methods: ["PUT"] } },
  });
  await ask("unlockDevice", {}, device);
  for (const id of ["getGrant", "pauseGrant", "resumeGrant"]) await ask(id, { at: { id: client } });
  await ask("narrowGrant", { at: { id: client }, body: { scopes: ["vault:read"], ask: { methods: ["PUT"] } } });

  // What a client has taken away can be given back.
  const agent = await letIn(locker, ada);
  for (const [tool, argument, restore] of [
    ["delete_key", { key: "inventory" }, "restoreKey"],
    ["revoke_token", { id: tokens.shop }, "restoreToken"],
    ["revoke_device", { id: device.id }, "restoreDevice"],
    ["revoke_client", { id: client }, "restoreGrant"],
  ] as const) {
    const { error } = await confirmed(agent, tool, argument);
    expect(error, tool).toBeUndefined();
    await ask(restore, { at: { key: "inventory", id: Object.values(argument)[0]! } });
  }
  await ask("revokeToken", { at });
  await ask("revokeDevice", { at: { id: device.id } });
  await ask("revokeGrant", { at: { id: client } });
  await ask("changeMe", { body: { name: "Ada" } });
  await ask("freeze");
  const { identities } = (await ask("me")) as { identities: { email: string }[] };
  const fresh = await signIn(locker.publicOrigin, identities[0]!.email);
  await ask("unfreeze", {}, fresh);
  const last = await signIn(locker.publicOrigin, identities[0]!.email);
  const { session } = (await ask("me", {}, fresh)) as { session: { id: string } };
  await ask("renameSession", { at: { id: session.id }, body: { name: "kiosk" } }, last);
  await ask("revokeSession", { at: { id: session.id } }, last);
  await ask("unlinkIdentity", { body: { issuer: "https://id.example", subject: "nobody" } }, last);
  await ask("deleteMe", {}, last);
  await ask("revokeSessions", {}, await newPerson(locker));
  // What only a long log gives a cursor for (`test/vault/chain.test.ts`), and a WebSocket.
  expect(Object.keys(OPERATIONS).filter((id) => !done.has(id))).toEqual(["verifyFurther", "live"]);
});

const READS = [
  "listKeys",
  "listTokens",
  "listTrusts",
  "listSpend",
  "listPrices",
  "listGrants",
  "listDevices",
  "listSessions",
  "listWebhooks",
  "alertSettings",
  "listDeletedKeys",
  "listIdentities",
  "me",
  "doctor",
  "exportMe",
  "verifyActivity",
  "activityStats",
];
const LONG = ["listProviders", "listActivity"];
const KEY = { name: "new", provider: "openai", secret: "sk-0123456789", base_url: upstream.origin, tags: ["a"] };
const PRICE = { provider: "openai", model: "gpt-4o", input: 1, output: 2 };
const TRUST = {
  name: "ci",
  issuer: "https://token.actions.githubusercontent.com",
  claims: { repository: "acme/shop" },
};
const ACCOUNT = {
  name: "account",
  provider: "custom",
  base_url: upstream.origin,
  placement: { in: "oauth", authorize_url: `${upstream.origin}/auth`, token_url: `${upstream.origin}/token` },
  fields: { client_id: "c", client_secret: "client-secret-123", refresh_token: "refresh-token-123" },
};

function holding(token: string): Caller {
  return {
    fetch: (path, init) =>
      fetch(new URL(path, locker.publicOrigin), {
        ...init,
        headers: { ...(init?.headers as object), authorization: `Bearer ${token}` },
      }),
  };
}

it("names the cookie that holds a session here", async () => {
  const ada = await newPerson(locker);
  expect(ada.cookie).toContain(`${components.securitySchemes.session.name}=`);
});

it("every refusal is the problem that the document says", async () => {
  const ada = await newPerson(locker);
  const { schema } = components.responses.problem.content!["application/problem+json"]!;
  const isProblem = validator.getValidator(schema);
  const refuse = async ({ operationId, path, method, parameters, requestBody }: (typeof described)[number]) => {
    const url = path.replace(/\{\w+\}/g, "absent");
    const where = parameters.some(({ in: place }) => place === "query") ? `${url}?limit=0&since=x&q=` : url;
    const wrong = asJson(requestBody === undefined ? undefined : { nonsense: 1 });
    const answers = [fetch(locker.publicOrigin + url, { method }), ada.fetch(where, { method, ...wrong })];
    for (const answer of await Promise.all(answers)) {
      const text = await answer.text();
      if (answer.ok) continue;
      expect(answer.headers.get("content-type"), operationId).toBe("application/problem+json");
      expect(isProblem(JSON.parse(text)), `${operationId}: ${text}`).toMatchObject({ valid: true });
    }
  };
  // After these everything is refused alike.
  const ends = new Set(["freeze", "revokeSessions", "deleteMe"]);
  await Promise.all(described.filter(({ operationId }) => !ends.has(operationId)).map(refuse));
  await Promise.all(described.filter(({ operationId }) => ends.has(operationId)).map(refuse));
});

it("the type of every refusal, also of the proxy's, is the address of a page that says what to do", async () => {
  const types = ["/problems/invalid_token", "/problems/reconnect_required"].map((path) => locker.publicOrigin + path);
  for (const origin of [locker.publicOrigin, locker.proxyOrigin]) {
    const { type } = await (await fetch(`${origin}/v1/keys`)).json<{ type: string }>();
    expect(new URL(type, origin).href).toBe(types[0]);
  }
  for (const type of types) {
    const page = await fetch(type);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(await page.text()).toContain(`<code>${type.split("/").at(-1)}</code>`);
  }
  expect(await (await fetch(`${locker.publicOrigin}/problems`)).text()).toMatch(/policy_denied.*upstream_timeout/s);
  for (const none of ["estimate_needed", "nonsense", "__proto__"])
    expect((await fetch(`${locker.publicOrigin}/problems/${none}`)).status).toBe(404);
});

it("the document says which parameters must be given, and which requests may be repeated", async () => {
  const required = described.flatMap(({ operationId, parameters }) =>
    parameters.filter((one) => one.in === "query" && one.required).map(({ name }) => `${operationId} ${name}`),
  );
  expect(required).toEqual(["exportActivity format"]);
  const repeatable = described.filter(({ parameters }) => parameters.some(({ name }) => name === "Idempotency-Key"));
  expect(repeatable.map(({ operationId }) => operationId)).toEqual(
    described
      .filter(({ method, operationId }) => method !== "GET" && operationId !== "reportLeak")
      .map((one) => one.operationId),
  );
});
