/** Clients that are described by the document at their own id (CIMD): what is fetched, when, and what is believed. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { freshness } from "../../src/oauth/outside.ts";
import { ClientHost } from "../support/client_host.ts";
import { newPerson, startLocker } from "../support/locker.ts";
import { authorizePath, connect, exchangeOf, pkce, tokenRequest } from "../support/oauth.ts";

const host = new ClientHost("client.apps-example.com");
const claude = new ClientHost("claude.ai");
let locker: LocalLocker;
let ada: Person;

beforeAll(async () => {
  locker = await startLocker({ internet: { ...host.internet, ...claude.internet } });
  ada = await newPerson(locker);
});
afterAll(() => locker.stop());

const REDIRECT = "http://127.0.0.1:54220/callback";
const client = (client_id: string, redirect_uri = REDIRECT) => ({ client_id, redirect_uri });
const open = (client_id: string, who: Pick<Person, "fetch"> = ada, redirect_uri = REDIRECT) =>
  who.fetch(authorizePath(client(client_id, redirect_uri), pkce().challenge));

describe("a client with a document", () => {
  it("is let in without registering; the page names the host that describes it", async () => {
    const id = host.describe("/good");
    const page = await (await open(id)).text();
    expect(page).toContain("Documented");
    expect(page).toContain("client.apps-example.com");
    const { access_token, refresh_token } = await connect(locker, ada, { client: client(id) });
    expect([access_token, refresh_token]).toEqual([expect.any(String), expect.any(String)]);
    const { items } = await ada.api<{ items: object[] }>("GET", "/v1/grants");
    expect(items[0]).toMatchObject({ client_id: id, registration: "document", client_name: "Documented" });
  });

  it("is not fetched for anybody who has not signed in, at no endpoint", async () => {
    const id = host.describe("/unseen");
    const stranger = { fetch: (path: string) => fetch(locker.publicOrigin + path) };
    expect(await (await open(id, stranger)).text()).toContain("Sign in with");
    const exchange = exchangeOf(client(id), { code: "x", verifier: pkce().verifier });
    expect((await tokenRequest(locker, exchange)).status).toBe(401);
    for (const path of ["/revoke", "/introspect"]) {
      const body = new URLSearchParams({ client_id: id, token: "x" });
      expect((await fetch(locker.publicOrigin + path, { method: "POST", body })).status).toBe(401);
    }
    expect(host.count("/unseen")).toBe(0);
  });

  it("is shown nothing of the person: no cookie, no referrer, no address", async () => {
    const id = host.describe("/private");
    await open(id);
    const asked = host.asked.at(-1) as Request;
    for (const name of ["cookie", "authorization", "referer", "cf-connecting-ip", "x-forwarded-for"])
      expect(asked.headers.get(name), name).toBeNull();
  });

  it.each([
    ["says it is another client", () => host.describe("/other", { client_id: "https://client.apps-example.com/good" })],
    [
      "says it is itself in another spelling",
      () => host.describe("/case", { client_id: "https://CLIENT.apps-example.com/case" }),
    ],
    ["has no name", () => host.describe("/nameless", { client_name: undefined })],
    ["has no redirect URIs", () => host.describe("/nowhere", { redirect_uris: [] })],
    ["holds a secret", () => host.describe("/secret", { client_secret: "x" })],
    [
      "can prove itself by a secret only",
      () => host.describe("/basic", { token_endpoint_auth_method: "client_secret_basic" }),
    ],
    ["sends codes to plain http", () => host.describe("/http", { redirect_uris: ["http://evil.example.com/"] })],
    ["is no JSON", () => host.serve("/text", "client_id=x")],
    ["is JSON of another kind", () => host.serve("/array", "[]")],
    ["does not say that it is JSON", () => host.describe("/type", {}, { "content-type": "text/html" })],
    ["is longer than 5 KiB", () => host.describe("/long", { client_uri: `https://x.example/${"x".repeat(6_000)}` })],
    [
      "redirects",
      () => host.answer("/moved", () => new Response(null, { status: 302, headers: { location: "/good" } })),
    ],
    [
      "moved for good",
      () => host.answer("/gone", () => new Response(null, { status: 308, headers: { location: "/good" } })),
    ],
    ["is not there", () => "https://client.apps-example.com/absent"],
    ["is a success without being 200", () => host.answer("/created", () => new Response("{}", { status: 201 }))],
  ])("whose document %s is refused on a page", async (_what, serve) => {
    const answer = await open(serve());
    expect([400, 401]).toContain(answer.status);
    expect(answer.headers.get("location")).toBeNull();
  });

  it("that answers a drop at a time, without end, is given up", async () => {
    const id = host.answer(
      "/slow",
      () =>
        new Response(
          new ReadableStream({
            async pull(controller) {
              await new Promise((resolve) => setTimeout(resolve, 500));
              controller.enqueue(new TextEncoder().encode(" "));
            },
          }),
          { headers: { "content-type": "application/json" } },
        ),
    );
    expect((await open(id)).status).toBe(401);
  });
});

describe("an address that no document may have", () => {
  it.each([
    "http://client.apps-example.com/good",
    "https://client.apps-example.com",
    "https://client.apps-example.com/",
    "https://client.apps-example.com/good#x",
    "https://user@client.apps-example.com/good",
    "https://user:pass@client.apps-example.com/good",
    "https://client.apps-example.com/x/../good",
    "https://client.apps-example.com/./good",
    "https://client.apps-example.com/%2e%2e/good",
    "HTTPS://client.apps-example.com/good",
    "https://CLIENT.apps-example.com/good",
    "https://client.apps-example.com:443/good",
    "https://client.apps-example.com\\good",
    "https://localhost/good",
    "https://127.0.0.1/good",
    "https://127.1/good",
    "https://2130706433/good",
    "https://0x7f000001/good",
    "https://0/good",
    "https://10.0.0.1/good",
    "https://172.16.0.1/good",
    "https://192.168.1.1/good",
    "https://100.64.0.1/good",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/good",
    "https://[fd00::1]/good",
    "https://[fe80::1]/good",
    "https://[::ffff:127.0.0.1]/good",
    "https://[64:ff9b::7f00:1]/good",
    "https://metadata.google.internal/good",
    "https://router.local/good",
    "https://intranet/good",
    "https://①②⑦.⓪.⓪.①/good",
    "https://127.0.0.1.nip.io/good",
    "file:///etc/passwd",
    "ftp://client.apps-example.com/good",
    "data://x/y",
  ])("%s is refused without a look", async (id) => {
    const before = host.asked.length;
    const answer = await open(id);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("location")).toBeNull();
    expect(host.asked.length).toBe(before);
  });

  it("our own hosts are none", async () => {
    for (const origin of [locker.publicOrigin, locker.proxyOrigin, locker.publicOrigin.replace("http:", "https:")])
      expect((await open(`${origin}/client.json`)).status).toBe(401);
  });
});

describe("what was read is kept as its headers say", () => {
  it("for max-age, and asked for again after it", async () => {
    const fresh = host.describe("/fresh", {}, { "cache-control": "max-age=600" });
    const stale = host.describe("/stale", {}, { "cache-control": "max-age=0" });
    for (let n = 0; n < 3; n++) expect([(await open(fresh)).status, (await open(stale)).status]).toEqual([200, 200]);
    expect([host.count("/fresh"), host.count("/stale")]).toEqual([1, 3]);
  });

  it("as HTTP has it for whoever shares a copy among many, a day at most", () => {
    const told = (headers: Record<string, string>) => freshness(new Headers(headers)) / 1_000;
    expect(told({ "cache-control": "public, max-age=60, s-maxage=600" })).toBe(600);
    expect(told({ "cache-control": 's-maxage="60", max-age=600', age: "20" })).toBe(40);
    expect(told({ "cache-control": "private, max-age=600" })).toBe(0);
    expect(told({ "cache-control": "max-age=9999999999" })).toBe(86_400);
    const date = "Fri, 27 Nov 2026 03:00:00 GMT";
    expect(told({ date, expires: "Fri, 27 Nov 2026 03:10:00 GMT", age: "60" })).toBe(540);
    for (const expires of ["0", "-1", "never", ""]) expect(told({ date, expires }), expires).toBe(0);
    expect(told({})).toBe(300);
  });

  it("not at all for no-store, though the client can still come for its tokens", async () => {
    const id = host.describe("/no-store", {}, { "cache-control": "no-store, max-age=600" });
    await open(id);
    await open(id);
    expect(host.count("/no-store")).toBe(2);
    expect((await connect(locker, ada, { client: client(id) })).access_token).toMatch(/^alk_oat_/);
  });

  it("by its etag", async () => {
    const tags: (string | null)[] = [];
    const id = "https://client.apps-example.com/tagged";
    const document = { client_id: id, client_name: "Tagged", redirect_uris: ["http://127.0.0.1/callback"] };
    host.answer("/tagged", (request) => {
      tags.push(request.headers.get("if-none-match"));
      const headers = { etag: '"v1"', "cache-control": "no-cache", "content-type": "application/json" };
      return tags.at(-1) === '"v1"'
        ? new Response(null, { status: 304, headers })
        : Response.json(document, { headers });
    });
    for (let n = 0; n < 3; n++) expect((await open(id)).status).toBe(200);
    expect(tags).toEqual([null, '"v1"', '"v1"']);
  });

  it("a change counts once it is read: a redirect URI that was withdrawn is refused", async () => {
    const id = host.describe("/changing", {}, { "cache-control": "no-cache" });
    expect((await open(id)).status).toBe(200);
    host.describe(
      "/changing",
      { redirect_uris: ["https://elsewhere.apps-example.com/cb"] },
      { "cache-control": "no-cache" },
    );
    expect((await open(id)).status).toBe(400);
  });

  it("the last good copy stands in while the host is down, and not once its owner has taken it away", async () => {
    const id = host.describe("/flaky", {}, { "cache-control": "no-cache" });
    expect((await open(id)).status).toBe(200);
    for (const status of [500, 503, 403, 429]) {
      host.answer("/flaky", () => new Response("", { status }));
      expect((await open(id)).status, String(status)).toBe(200);
    }
    for (const status of [404, 410]) {
      host.answer("/flaky", () => new Response("", { status }));
      expect((await open(id)).status, String(status)).toBe(401);
    }
  });

  it("nothing of an error: the next look is a new one", async () => {
    host.answer("/later", () => new Response("", { status: 500 }));
    const id = "https://client.apps-example.com/later";
    expect((await open(id)).status).toBe(401);
    host.describe("/later");
    expect((await open(id)).status).toBe(200);
  });

  it("of those that nobody has met only so many for one person a day", async () => {
    const eve = await newPerson(locker, "eve");
    const directory = (await locker.miniflare.getD1Database("DB", "apilocker")) as unknown as D1Database;
    expect((await open(host.describe("/one"), eve)).status).toBe(200);
    await directory.prepare("UPDATE attempt SET count = 99 WHERE name GLOB 'clients of *' AND count = 1").run();
    expect((await open(host.describe("/hundredth"), eve)).status).toBe(200);
    const another = host.describe("/another");
    expect((await open(another, eve)).status).toBe(429);
    expect((await open(another)).status).toBe(200);
    expect((await open(another, eve)).status).toBe(200);
  });

  it("one host cannot speak for another, nor for another of its own paths (cache poisoning)", async () => {
    const victim = host.describe("/victim");
    expect((await open(victim)).status).toBe(200);
    const evil = host.describe("/evil", { client_id: victim, redirect_uris: ["https://evil.apps-example.com/cb"] });
    expect((await open(evil)).status).toBe(401);
    expect((await open(victim, ada, "https://evil.apps-example.com/cb")).status).toBe(400);
  });
});

describe("clients that many people use", () => {
  it("are known while their host shows us a challenge for browsers", async () => {
    const path = "/oauth/claude-code-client-metadata";
    claude.answer(path, () => new Response("<title>Just a moment</title>", { status: 403 }));
    const page = await (await open(`https://claude.ai${path}`, ada, "http://localhost:54220/callback")).text();
    expect(page).toContain("Claude Code");
    expect(page).toContain("claude.ai");
    const connected = await connect(locker, ada, {
      client: client(`https://claude.ai${path}`, "http://localhost:54220/callback"),
    });
    expect(connected.refresh_token).toMatch(/^alk_ort_/);
  });

  it("are known by their exact address, never by their host", async () => {
    for (const path of [
      "/oauth/other",
      "/oauth/claude-code-client-metadata/",
      "/oauth/claude-code-client-metadata?x=1",
    ])
      expect((await open(`https://claude.ai${path}`, ada, "http://localhost:54220/callback")).status, path).toBe(401);
  });

  it("say for themselves what they are as soon as they can be asked", async () => {
    const path = "/oauth/mcp-oauth-client-metadata";
    claude.describe(path, {
      client_name: "Claude of today",
      redirect_uris: ["https://claude.ai/api/mcp/new_callback"],
    });
    const today = await open(`https://claude.ai${path}`, ada, "https://claude.ai/api/mcp/new_callback");
    expect(await today.text()).toContain("Claude of today");
    expect((await open(`https://claude.ai${path}`, ada, "https://claude.ai/api/mcp/auth_callback")).status).toBe(400);
  });
});
