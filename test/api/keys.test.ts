import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import type { Person } from "../../src/local/person.ts";
import {
  activity,
  eventually,
  mintToken,
  newPerson,
  startLocker,
  storeKey,
  type Minted,
  usualLocker,
} from "../support/locker.ts";
import { inVault } from "../support/mcp.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

const call = (ref: string, { token }: Minted, path = "/x") =>
  fetch(`${locker.proxyOrigin}/v1/proxy/${ref}${path}`, { headers: { authorization: `Bearer ${token}` } });
/** The credential that reached the upstream with the newest request. */
const shown = () => upstream.seen.at(-1)?.headers.authorization;

async function status(person: Person, method: string, path: string, body?: unknown): Promise<number> {
  const init =
    body === undefined
      ? { method }
      : { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return (await person.fetch(path, init)).status;
}

describe("versions", () => {
  it("a rotated key sends its new secret at once, and rolling back sends the old one again", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin, { secret: "first-secret-123" });
    const token = await mintToken(ada);
    await call("k", token);
    expect(shown()).toBe("Bearer first-secret-123");
    expect(await ada.api("POST", "/v1/keys/k/rotate", { secret: "second-secret-456" })).toMatchObject({ version: 2 });
    await call("k", token);
    expect(shown()).toBe("Bearer second-secret-456");
    expect(await ada.api("POST", "/v1/keys/k/rollback")).toMatchObject({ version: 1 });
    await call("k", token);
    expect(shown()).toBe("Bearer first-secret-123");
    const { versions } = await ada.api<{ versions: { version: number; current: boolean }[] }>("GET", "/v1/keys/k");
    expect(versions.map(({ version, current }) => [version, current])).toEqual([
      [2, false],
      [1, true],
    ]);
  });

  it("what was pasted around a secret is no part of it", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin, { secret: " \tpasted-secret-123 \n" });
    await (await call("k", await mintToken(ada))).arrayBuffer();
    expect(shown()).toBe("Bearer pasted-secret-123");
    const { fields } = await ada.api<{ fields: object }>("POST", "/v1/keys/k/reveal");
    expect(fields).toEqual({ secret: "pasted-secret-123" });
    expect(await status(ada, "POST", "/v1/keys/k/rotate", { secret: " \n " })).toBe(422);
  });

  it("whoever changes a key is told how often it was used", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    await (await call("k", await mintToken(ada))).arrayBuffer();
    const changes: [method: string, path: string, body?: object][] = [
      ["PATCH", "/v1/keys/k", { note: "used" }],
      ["POST", "/v1/keys/k/pause"],
      ["POST", "/v1/keys/k/resume"],
      ["POST", "/v1/keys/k/rotate", { secret: "second-secret-456" }],
      ["POST", "/v1/keys/k/rollback"],
      ["GET", "/v1/keys/k"],
    ];
    for (const [method, path, body] of changes) {
      const told = await ada.api(method, path, body);
      expect(told, path).toMatchObject({ uses: 1, last_used_at: expect.stringMatching(/Z$/) });
    }
  });

  it("ten rotations at once give ten versions, and the current one opens", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin);
    const token = await mintToken(ada);
    const secrets = Array.from({ length: 10 }, (_, n) => `parallel-secret-${n}`);
    await Promise.all(secrets.map((secret) => ada.api("POST", "/v1/keys/k/rotate", { secret })));
    await call("k", token);
    expect(secrets.map((secret) => `Bearer ${secret}`)).toContain(shown());
    const { versions } = await ada.api<{ versions: { version: number }[] }>("GET", "/v1/keys/k");
    expect(new Set(versions.map(({ version }) => version)).size).toBe(versions.length);
  });

  it("only the ten newest are kept", async () => {
    const ada = await newPerson(locker);
    const key = await storeKey(ada, "k", upstream.origin);
    for (let n = 0; n < 12; n++) await ada.api("POST", "/v1/keys/k/rotate", { secret: `next-secret-${n}` });
    const { versions } = await ada.api<{ versions: { version: number }[] }>("GET", "/v1/keys/k");
    expect(versions).toHaveLength(10);
    const blobs = await locker.miniflare.getKVNamespace("BLOBS");
    await eventually(async () => {
      const { keys } = await blobs.list();
      return keys.filter(({ name }) => name.includes(key.id)).length === 10;
    });
  });
});

describe("a key's destination belongs to its secret (S2)", () => {
  it.each(["base_url", "provider", "placement", "headers"])(
    "%s changes only together with the secret",
    async (field) => {
      const ada = await newPerson(locker);
      await storeKey(ada, "k", upstream.origin);
      const values = {
        base_url: "https://evil.example.com",
        provider: "openai",
        placement: { in: "query", name: "k" },
        headers: { "x-a": "b" },
      };
      const response = await ada.fetch("/v1/keys/k", {
        method: "PATCH",
        body: JSON.stringify({ [field]: values[field as keyof typeof values] }),
        headers: { "content-type": "application/json" },
      });
      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({
        errors: [{ field, rule: "may be changed only together with the secret" }],
      });
      expect(await ada.api("GET", "/v1/keys/k")).toMatchObject({ version: 1, base_url: upstream.origin });
    },
  );

  it("with the secret it makes a version, and the old secret never goes to the new place", async () => {
    const ada = await newPerson(locker);
    const other = await startUpstream();
    try {
      await storeKey(ada, "k", upstream.origin, { secret: "for-the-first-place" });
      const token = await mintToken(ada);
      await ada.api("PATCH", "/v1/keys/k", { base_url: other.origin, secret: "for-the-second-place", note: "moved" });
      await call("k", token);
      expect(other.seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer for-the-second-place"]);
      expect(await ada.api("GET", "/v1/keys/k")).toMatchObject({ base_url: other.origin, note: "moved", version: 2 });
    } finally {
      await other.stop();
    }
  });
});

describe("names", () => {
  it("after a rename every former name goes on working, and none can be taken by another key", async () => {
    const ada = await newPerson(locker);
    const key = await storeKey(ada, "one", upstream.origin);
    const token = await mintToken(ada, { keys: ["one"] });
    await ada.api("PATCH", "/v1/keys/one", { name: "two" });
    await ada.api("PATCH", "/v1/keys/one", { name: "three@prod" });
    for (const ref of ["one", "two", "three@prod", key.id]) expect((await call(ref, token)).status, ref).toBe(200);
    expect(
      await status(ada, "POST", "/v1/keys", {
        name: "one",
        provider: "custom",
        secret: "another-secret",
        base_url: upstream.origin,
      }),
    ).toBe(409);
    expect(await ada.api("GET", "/v1/keys/two")).toMatchObject({ name: "three@prod", former_names: ["one", "two"] });
    expect(await ada.api("PATCH", "/v1/keys/two", { name: "one" })).toMatchObject({ name: "one" });
  });

  it("a name is one key's: another's is refused and nothing changes", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "a", upstream.origin);
    await storeKey(ada, "b", upstream.origin);
    expect(await status(ada, "PATCH", "/v1/keys/a", { name: "b", note: "x" })).toBe(409);
    const kept = await ada.api<{ name: string; note?: string }>("GET", "/v1/keys/a");
    expect(kept).toMatchObject({ name: "a" });
    expect(kept.note).toBeUndefined();
  });
});

describe("reveal", () => {
  it("shows a person their own secret and leaves a row for each", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "a", upstream.origin, { secret: "sk-reveal-me-please" });
    await storeKey(ada, "b", upstream.origin, {
      secret: undefined,
      fields: { username: "u", password: "p-secret" },
      placement: { in: "basic" },
    });
    expect(await ada.api("POST", "/v1/keys/a/reveal")).toMatchObject({
      name: "a",
      fields: { secret: "sk-reveal-me-please" },
    });
    const { items } = await ada.api<{ items: { fields: object }[] }>("POST", "/v1/keys/reveal", { keys: ["a", "b"] });
    expect(items.map(({ fields }) => fields)).toEqual([
      { secret: "sk-reveal-me-please" },
      { username: "u", password: "p-secret" },
    ]);
    // Of several of which some are not there it shows none, and names those.
    await expect(ada.api("POST", "/v1/keys/reveal", { keys: ["a", "nope", "b", "gone"] })).rejects.toThrow(
      "404 not_found: There is no key nope, gone.",
    );
    expect((await activity(ada)).filter(({ action }) => action === "key.reveal")).toHaveLength(3);
  });
});

describe("test call", () => {
  it("makes one harmless call with the key and tells how it went, and no more", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "k", upstream.origin, { secret: "sk-test-call-secret" });
    upstream.answerWith(
      (_request, response) => void response.writeHead(401).end("upstream text with sk-test-call-secret"),
    );
    const result = await ada.api("POST", "/v1/keys/k/test", { path: "/v1/models?limit=1" });
    upstream.answerWith((_request, response) => void response.end("{}"));
    expect(result).toMatchObject({ ok: false, status: 401, detail: "The upstream does not accept the key." });
    expect(JSON.stringify(result)).not.toContain("upstream text");
    expect(upstream.seen.at(-1)).toMatchObject({ url: "/v1/models?limit=1", method: "GET" });
    expect((await activity(ada))[0]).toMatchObject({
      action: "key.test",
      outcome: "ok",
      status: 401,
      path: "/v1/models",
    });
    // What names another method is judged and recorded as that, as every other call is.
    await ada.api("POST", "/v1/keys/k/test", { path: "/v1/models?_method=DELETE" });
    expect((await activity(ada))[0]).toMatchObject({ action: "key.test", overridden: true });
    expect(await status(ada, "POST", "/v1/keys/k/test")).toBe(422);
    await ada.api("POST", "/v1/keys/k/pause");
    expect(await status(ada, "POST", "/v1/keys/k/test", { path: "/x" })).toBe(423);
  });
});

it("a key says when it was last changed: a pause and its end are changes, to say either again is none", async () => {
  const ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
  const since = async (what: string) => {
    await inVault(locker, ada, "UPDATE api_key SET updated_at = 0");
    const { updated_at } = await ada.api<{ updated_at: string }>("POST", `/v1/keys/k/${what}`);
    return Date.parse(updated_at) > 0;
  };
  const changed = [];
  for (const what of ["pause", "pause", "resume", "resume"]) changed.push(await since(what));
  expect(changed).toEqual([true, false, true, false]);
});

describe("Idempotency-Key", () => {
  const post = (person: Person, key: string, body: object) =>
    person.fetch("/v1/tokens", {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", "idempotency-key": key },
    });

  it("a repeated request gets the first one's answer, to the letter, and nothing is made twice", async () => {
    const ada = await newPerson(locker);
    const answers = [await post(ada, "once", { name: "t" }), await post(ada, "once", { name: "t" })];
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    const [first, second] = await Promise.all(answers.map((answer) => answer.text()));
    expect(second).toBe(first);
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/tokens")).items).toHaveLength(1);
  });

  it("of parallel requests one is carried out", async () => {
    const ada = await newPerson(locker);
    const statuses = (await Promise.all(Array.from({ length: 8 }, () => post(ada, "p", { name: "t" })))).map(
      (answer) => answer.status,
    );
    expect(new Set([...statuses, 201, 409])).toEqual(new Set([201, 409]));
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/tokens")).items).toHaveLength(1);
  });

  it("another body under the same key is refused, another person's key is another key", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    await post(ada, "k", { name: "one" });
    expect((await post(ada, "k", { name: "two" })).status).toBe(422);
    expect((await post(eve, "k", { name: "two" })).status).toBe(201);
    expect((await post(ada, "bad key", { name: "one" })).status).toBe(422);
  });

  it("a token's text that is kept for a repeat is sealed", async () => {
    const ada = await newPerson(locker);
    const { token } = await (await post(ada, "sealed", { name: "t" })).json<{ token: string }>();
    const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", {
      name: token.slice(10, 34),
    });
    const kept = JSON.stringify(await storage.exec("SELECT * FROM idempotency"));
    expect(kept).toContain("sealed");
    expect(kept).not.toContain(token.slice(30, 60));
  });
});

describe("OAuth credentials, stored for later", () => {
  const oauth = (token_url: string) => ({
    name: "google",
    provider: "custom",
    base_url: upstream.origin,
    placement: { in: "oauth", authorize_url: "https://accounts.google.com/o/oauth2/v2/auth", token_url, scopes: "a b" },
    fields: { client_id: "client", client_secret: "client-secret-123" },
  });

  it("are kept with their endpoints, and until they are connected a call is told so", async () => {
    const ada = await newPerson(locker);
    await ada.api("POST", "/v1/keys", oauth("https://oauth2.googleapis.com/token"));
    const token = await mintToken(ada);
    upstream.seen.length = 0;
    const answer = await call("google", token);
    expect(answer.status).toBe(424);
    expect(await answer.json()).toMatchObject({ code: "reconnect_required" });
    expect(upstream.seen).toEqual([]);
    expect(await ada.api("POST", "/v1/keys/google/reveal")).toMatchObject({
      fields: { client_secret: "client-secret-123" },
    });
  });

  it("may be given with their endpoints among the fields, of a provider that is known or not", async () => {
    const ada = await newPerson(locker);
    const { placement, fields, ...rest } = oauth("https://oauth2.googleapis.com/token");
    const { in: _oauth, ...endpoints } = placement;
    const flat = { ...rest, fields: { ...fields, ...endpoints } };
    expect(await ada.api("POST", "/v1/keys", flat)).toMatchObject({ placement, connection: "not_connected" });
    expect(await ada.api("POST", "/v1/keys/google/reveal")).toEqual(expect.objectContaining({ fields }));
    const narrow = { client_id: "client", client_secret: "client-secret-456", scopes: "a" };
    expect(await ada.api("PATCH", "/v1/keys/google", { fields: narrow })).toMatchObject({
      placement: { ...placement, scopes: "a" },
    });
    const known = { name: "calendar", provider: "google-oauth", fields: narrow };
    expect(await ada.api("POST", "/v1/keys", known)).toMatchObject({
      placement: { token_url: "https://oauth2.googleapis.com/token", scopes: "a" },
    });
    const moved = { ...known, name: "elsewhere", fields: { ...narrow, token_url: "https://id.example.com/token" } };
    const { placement: to } = await ada.api<{ placement: object }>("POST", "/v1/keys", moved);
    expect(to).toMatchObject({ token_url: "https://id.example.com/token" });
    expect(to).not.toHaveProperty("revoke_url");
    const nowhere = { ...flat, name: "lost", fields: { ...fields, scopes: "a" } };
    expect(await status(ada, "POST", "/v1/keys", nowhere)).toBe(422);
  });

  it("send their client secret to no endpoint that is not plain, and want a client", async () => {
    const ada = await newPerson(locker);
    expect(await status(ada, "POST", "/v1/keys", oauth("https://user:pass@evil.example.org/token"))).toBe(422);
    expect(
      await status(ada, "POST", "/v1/keys", {
        ...oauth("https://oauth2.googleapis.com/token"),
        fields: { client_secret: "x-secret" },
      }),
    ).toBe(422);
  });
});

describe("caps", () => {
  it("a vault holds as many keys as the deployment allows, and one more is 409", async () => {
    const small = await startLocker({ vars: { KEYS_LIMIT: "3", CUSTOM_KEYS_LIMIT: "2", AUDIT_ROWS_A_DAY: "12" } });
    try {
      const ada = await newPerson(small);
      const key = (name: string, provider: string) => ({
        name,
        provider,
        secret: "sk-0123456789",
        base_url: upstream.origin,
      });
      expect(await status(ada, "POST", "/v1/keys", key("a", "custom"))).toBe(201);
      expect(await status(ada, "POST", "/v1/keys", key("b", "custom"))).toBe(201);
      expect(await status(ada, "POST", "/v1/keys", key("c", "custom"))).toBe(409);
      expect(await status(ada, "POST", "/v1/keys", key("c", "openai"))).toBe(201);
      expect(await status(ada, "POST", "/v1/keys", key("d", "openai"))).toBe(409);
      const { id, token } = await mintToken(ada);
      const statuses: number[] = [];
      for (let n = 0; n < 20; n++) {
        const headers = { authorization: `Bearer ${token}` };
        statuses.push((await fetch(`${small.proxyOrigin}/v1/proxy/a/x`, { headers })).status);
      }
      // Uses stop at the day's quota of rows, changes a little later; what only stops something goes on.
      expect(statuses[0]).toBe(200);
      expect(statuses.at(-1)).toBe(429);
      expect(await status(ada, "PATCH", "/v1/me", { name: "0" })).toBe(200);
      for (let n = 1; n < 5; n++) await status(ada, "PATCH", "/v1/me", { name: String(n) });
      expect(await status(ada, "PATCH", "/v1/me", { name: "5" })).toBe(429);
      expect(await status(ada, "PATCH", `/v1/tokens/${id}`, { policy: { max_uses: 1 } })).toBe(429);
      expect(await status(ada, "POST", "/v1/keys/a/pause", {})).toBe(200);
      expect(await status(ada, "DELETE", `/v1/tokens/${id}`)).toBe(200);
      // Saying it again leaves no row again.
      const { items } = await ada.api<{ items: { action: string }[] }>("GET", "/v1/activity?limit=5");
      for (let n = 0; n < 3; n++) await status(ada, "POST", "/v1/keys/a/pause", {});
      expect((await ada.api<{ items: object[] }>("GET", "/v1/activity?limit=5")).items).toEqual(items);
    } finally {
      await small.stop();
    }
  });
});

it("an account has the name that its owner gives it", async () => {
  const ada = await newPerson(locker);
  expect(await ada.api("PATCH", "/v1/me", { name: "Ada's keys" })).toMatchObject({ name: "Ada's keys" });
  expect(await ada.api("GET", "/v1/me")).toMatchObject({ name: "Ada's keys" });
  expect(await status(ada, "PATCH", "/v1/me", { name: "" })).toBe(422);
});
