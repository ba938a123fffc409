import { describe, expect, it } from "vitest";
import { OPERATIONS, REPORT_LEAK, type Operation } from "../../src/api/schema.ts";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

type Document = {
  paths: Record<string, Record<string, { operationId: string; "x-authority": string[]; security: object[] }>>;
};
const operations = Object.entries(OPERATIONS) as [string, Operation][];
const concrete = (path: string) => `/v1${path.replace(/\{\w+\}/g, "absent")}`;

describe("the authority table", () => {
  it("is what /openapi.json says, operation for operation", async () => {
    const answer = await fetch(`${locker.publicOrigin}/openapi.json`);
    const { paths } = await answer.json<Document>();
    const told = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, told]) => `${told.operationId}: ${method} ${path} by ${told["x-authority"].join()}`,
      ),
    );
    const all: [string, Operation][] = [...operations, ["reportLeak", REPORT_LEAK]];
    const meant = all.map(([id, { method, path, may }]) => `${id}: ${method} /v1${path} by ${may.join()}`);
    expect(new Set(told)).toEqual(new Set(meant));
    expect(told).toHaveLength(meant.length);
    // Only a found token is reported by nobody.
    const open = Object.values(paths).flatMap((methods) =>
      Object.values(methods).filter(({ security }) => security.length === 0),
    );
    expect(open.map(({ operationId }) => operationId)).toEqual(["reportLeak"]);
  });

  it.each(operations)("%s refuses whoever shows no token", async (_id, { method, path }) => {
    const response = await fetch(locker.publicOrigin + concrete(path), { method: method.toUpperCase() });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="API Locker"');
    expect(await response.json()).toMatchObject({ code: "invalid_token" });
  });

  it("names the error in its challenge to whoever shows a token that is none (RFC 6750 §3.1)", async () => {
    const headers = { authorization: "Bearer alk_dev_nothing" };
    const response = await fetch(`${locker.publicOrigin}/v1/me`, { headers });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
  });

  it("names none to whoever shows something that is never taken", async () => {
    for (const path of ["/v1/me", "/v1/mcp"]) {
      const response = await fetch(locker.publicOrigin + path, { headers: { authorization: "Basic YWRhOng=" } });
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).not.toContain("error=");
    }
  });

  it("lets an app token derive a narrower one and see which keys it reaches, and nothing else", () => {
    const of_apps = operations.filter(([, { may }]) => may.includes("app")).map(([id]) => id);
    expect(of_apps).toEqual(["listAllowedKeys", "deriveToken"]);
  });

  const others = operations.filter(([, { may }]) => !may.includes("app"));
  it.each(others)("%s refuses an app token", async (_id, { method, path }) => {
    const ada = await newPerson(locker);
    const { token } = await mintToken(ada);
    const response = await fetch(locker.publicOrigin + concrete(path), {
      method: method.toUpperCase(),
      headers: { authorization: `Bearer ${token}` },
    });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: "insufficient_scope" });
  });

  it("refuses every path that it does not list", async () => {
    const ada = await newPerson(locker);
    for (const [method, path] of [
      ["GET", "/v1/secrets"],
      ["POST", "/v1/keys/k/steal"],
      ["GET", "/v1/proxy/k/x"],
    ] as const) {
      expect((await ada.fetch(path, { method })).status).toBe(404);
    }
  });

  it("says of a path that it lists by which methods it is served", async () => {
    const ada = await newPerson(locker);
    for (const [method, path, allow] of [
      ["PUT", "/v1/keys", "GET, HEAD, POST"],
      ["DELETE", "/v1/keys", "GET, HEAD, POST"],
      ["POST", "/v1/keys/k", "GET, HEAD, PATCH, DELETE"],
      ["GET", "/v1/keys/k/rotate", "POST"],
      ["GET", "/v1/report-leak", "POST"],
    ] as const) {
      const answer = await ada.fetch(path, { method });
      expect([method, path, answer.status, answer.headers.get("allow")]).toEqual([method, path, 405, allow]);
      expect(await answer.json()).toMatchObject({ code: "method_not_allowed" });
    }
  });
});

describe("a body", () => {
  it("is of the media type that is taken, however that is spelt, and of none that begins like it", async () => {
    const ada = await newPerson(locker);
    for (const [type, status] of [
      ["Application/JSON;charset=utf-8", 201],
      ["application/json ; charset=utf-8", 201],
      ["application/json-patch+json", 415],
      ["text/plain; application/json", 415],
    ] as const) {
      const init = { method: "POST", body: JSON.stringify({ name: "t" }), headers: { "content-type": type } };
      expect([type, (await ada.fetch("/v1/tokens", init)).status]).toEqual([type, status]);
    }
  });
});

describe("a query", () => {
  it("that says something twice, or what the operation does not know, is refused by its field", async () => {
    const ada = await newPerson(locker);
    for (const [method, path, errors] of [
      ["GET", "/v1/activity?key=a&outcome=ok&key=b", [{ field: "key", rule: "must be given once" }]],
      ["GET", "/v1/keys?limit=5&limit=5", [{ field: "limit", rule: "must be given once" }]],
      ["GET", "/v1/keys?tag=a&%74ag=b", [{ field: "tag", rule: "must be given once" }]],
      ["GET", "/v1/me?__proto__=a&__proto__=b", [{ field: "__proto__", rule: "must be given once" }]],
      ["GET", "/v1/me?__proto__=a", [{ field: "__proto__", rule: "is not a field of this request" }]],
      ["DELETE", "/v1/keys/k?force=true", [{ field: "force", rule: "is not a field of this request" }]],
    ] as const) {
      const answer = await ada.fetch(path, { method });
      expect([path, answer.status]).toEqual([path, 422]);
      expect(await answer.json()).toMatchObject({ code: "invalid_request", errors });
    }
  });
});

describe("a session cookie", () => {
  it("counts only where the browser says that our own page asks", async () => {
    const ada = await newPerson(locker);
    const from = (headers: Record<string, string>) =>
      fetch(`${locker.publicOrigin}/v1/me`, { headers: { cookie: ada.cookie, ...headers } });
    expect((await from({ "sec-fetch-site": "same-origin" })).status).toBe(200);
    expect((await from({ origin: locker.publicOrigin })).status).toBe(200);
    for (const headers of [
      {},
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site", origin: locker.proxyOrigin },
      { "sec-fetch-site": "none" },
      { origin: "null" },
      { origin: `${locker.publicOrigin}.evil.example` },
      { "sec-fetch-site": "cross-site", origin: locker.publicOrigin },
    ]) {
      expect((await from(headers as Record<string, string>)).status, JSON.stringify(headers)).toBe(403);
    }
  });

  it("is no bearer token, and an authorization header silences it", async () => {
    const ada = await newPerson(locker);
    const token = ada.cookie.slice(ada.cookie.indexOf("=") + 1);
    const bearer = await fetch(`${locker.publicOrigin}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
    expect(bearer.status).toBe(401);
    const both = await ada.fetch("/v1/me", { headers: { authorization: "Bearer alk_app_nonsense" } });
    expect(both.status).toBe(401);
  });

  it("opens nothing at the proxy", async () => {
    const ada = await newPerson(locker);
    const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { cookie: ada.cookie } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("set-cookie")).toBeNull();
  });

  it("is dead at once after signing out", async () => {
    const ada = await newPerson(locker);
    expect((await ada.fetch("/auth/sign-out", { method: "POST" })).status).toBe(303);
    expect((await ada.fetch("/v1/me")).status).toBe(401);
    const again = await ada.fetch("/auth/sign-out", { method: "POST" });
    expect(again.status).toBe(303);
    expect(again.headers.get("set-cookie")).toContain("Max-Age=0");
  });
});

describe("another account", () => {
  it("answers like nothing at all: the same 404 for what is foreign and what is absent", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    const key = await storeKey(ada, "mine", "https://api.openai.com");
    const token = await mintToken(ada, { keys: ["mine"] });
    const pairs = [
      ["GET", `/v1/keys/${key.id}`, "/v1/keys/key_01ABSENT"],
      ["POST", `/v1/keys/${key.id}/pause`, "/v1/keys/key_01ABSENT/pause"],
      ["DELETE", `/v1/keys/${key.id}`, "/v1/keys/key_01ABSENT"],
      ["GET", `/v1/tokens/${token.id}`, "/v1/tokens/tok_01ABSENT"],
      ["DELETE", `/v1/tokens/${token.id}`, "/v1/tokens/tok_01ABSENT"],
    ] as const;
    for (const [method, foreign, absent] of pairs) {
      const [one, other] = await Promise.all([eve.fetch(foreign, { method }), eve.fetch(absent, { method })]);
      expect(one.status).toBe(404);
      expect(await one.text()).toBe(await other.text());
    }
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/keys")).items).toHaveLength(1);
    expect((await eve.api<{ items: unknown[] }>("GET", "/v1/keys")).items).toEqual([]);
  });

  it("a token of one vault reaches no key of another, whatever name it asks for", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    const key = await storeKey(ada, "mine", "https://api.openai.com");
    const { token } = await mintToken(eve);
    for (const ref of [key.id, "mine"]) {
      const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/${ref}/x`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(answer.status).toBe(404);
    }
  });

  it("a session id is no app token: it can be neither read nor revoked as one", async () => {
    const ada = await newPerson(locker);
    const { items } = await ada.api<{ items: { id: string }[] }>("GET", "/v1/sessions");
    expect((await ada.fetch(`/v1/tokens/${items[0]?.id}`, { method: "DELETE" })).status).toBe(404);
    expect((await ada.fetch("/v1/me")).status).toBe(200);
  });
});

describe("bodies", () => {
  it("larger than 1 MiB are refused however they are sent", async () => {
    const ada = await newPerson(locker);
    const body = new Blob([`{"name":"${"x".repeat(1_100_000)}"}`]).stream();
    const init = {
      method: "POST",
      body,
      duplex: "half",
      headers: { "content-type": "application/json" },
    } as RequestInit;
    expect((await ada.fetch("/v1/tokens", init)).status).toBe(413);
  });

  it("with more fields than anybody judges are refused before they are, a stranger's too", async () => {
    const ada = await newPerson(locker);
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`x-${n}`, 1]));
    const stranger = { fetch: (path: string, init: RequestInit) => fetch(locker.publicOrigin + path, init) };
    for (const [who, path, body] of [
      [ada, "/v1/keys", { name: "k", provider: "custom", secret: "s", headers: many }],
      [ada, "/v1/tokens", { name: "t", policy: { keys: [[many]] } }],
      [stranger, "/v1/report-leak", { token: "alk_x", ...many }],
    ] as const) {
      const refused = await who.fetch(path, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });
      expect([path, refused.status, (await refused.text()).length < 500]).toEqual([path, 413, true]);
    }
  });

  it("that are not JSON are refused: 415 by type, 422 by content", async () => {
    const ada = await newPerson(locker);
    expect(
      (
        await ada.fetch("/v1/tokens", {
          method: "POST",
          body: "name=t",
          headers: { "content-type": "application/x-www-form-urlencoded" },
        })
      ).status,
    ).toBe(415);
    expect(
      (await ada.fetch("/v1/tokens", { method: "POST", body: "{", headers: { "content-type": "application/json" } }))
        .status,
    ).toBe(422);
  });
});
