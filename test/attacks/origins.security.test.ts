import { describe, expect, test } from "vitest";
import { newHolder, problemIn, send } from "../support/holder.ts";
import { activity, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

const FOREIGN = [
  "evil.example",
  "127.0.0.1:PORT",
  "localhost",
  "localhost:1",
  "localhost.:PORT",
  "evil.localhost:PORT",
  "[::1]:PORT",
  "xlocalhost:PORT",
];

test("a foreign Host is 421 at both doors, whoever asks for whatever: names that rebind to us are not ours", async () => {
  const { token, person } = await newHolder(locker);
  for (const origin of [locker.proxyOrigin, locker.publicOrigin]) {
    for (const foreign of FOREIGN) {
      const host = foreign.replace("PORT", new URL(origin).port);
      for (const path of ["/", "/v1/proxy/api/x", "/v1/me", "/v1/keys"]) {
        const headers = { host, authorization: `Bearer ${token}`, cookie: person.cookie };
        const refused = await send(origin + path, { headers });
        expect([host, path, refused.status, problemIn(refused).code]).toEqual([host, path, 421, "misdirected"]);
        expect(refused.headers["set-cookie"]).toBeUndefined();
      }
    }
  }
});

describe("the app's origin", () => {
  test("tells whoever took it for the proxy where calls go", async () => {
    const { token } = await newHolder(locker);
    const answer = await send(`${locker.publicOrigin}/v1/proxy/api/x`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(problemIn(answer)).toMatchObject({
      code: "not_found",
      detail: expect.stringContaining(`${locker.proxyOrigin}/v1/proxy/`),
    });
  });

  test("proxies nothing: neither by key nor in direct mode, with a token or with a session", async () => {
    const { upstream, token, person } = await newHolder(locker);
    for (const path of ["/v1/proxy/api/x", "/v1/proxy/api", "/v1/proxy/", "/v1/charges", "/x"]) {
      for (const method of ["GET", "POST"]) {
        const byToken = await send(locker.publicOrigin + path, {
          method,
          headers: { authorization: `Bearer ${token}` },
        });
        const byCookie = await person.fetch(path, { method });
        expect([path, byToken.status, byCookie.status]).toEqual([path, 404, 404]);
      }
    }
    expect(upstream.seen).toHaveLength(0);
  });

  test("is not the proxy's for the asking: the Host decides, not the door", async () => {
    const { upstream, token } = await newHolder(locker);
    const host = new URL(locker.proxyOrigin).host;
    const headers = { host, authorization: `Bearer ${token}`, "x-forwarded-host": new URL(locker.publicOrigin).host };
    // Both doors lead to the same Worker. Whoever says the proxy's name gets the proxy, and its guards with it.
    const answer = await send(`${locker.publicOrigin}/v1/proxy/api/x`, { headers });
    expect(answer.headers["content-security-policy"]).toContain("sandbox");
    expect(upstream.seen).toHaveLength(1);
    const forwarded = await send(`${locker.publicOrigin}/v1/proxy/api/x`, {
      headers: { authorization: `Bearer ${token}`, "x-forwarded-host": host },
    });
    expect(forwarded.status).toBe(404);
  });
});

describe("the proxy's origin", () => {
  const PUBLIC_PATHS = [
    "/",
    "/keys",
    "/settings",
    "/docs",
    "/openapi.json",
    "/v1/me",
    "/v1/keys",
    "/v1/tokens",
    "/auth/oidc",
    "/auth/sign-out",
    "/.well-known/oauth-authorization-server",
    "/health",
  ];

  test("serves nothing but calls: every page and operation of the app is an unauthenticated call there", async () => {
    const person = await newPerson(locker);
    for (const path of PUBLIC_PATHS) {
      for (const headers of [{}, { cookie: person.cookie }]) {
        const answer = await send(locker.proxyOrigin + path, { headers });
        expect([path, answer.status, problemIn(answer).code]).toEqual([path, 401, "invalid_token"]);
        expect(answer.headers["content-type"]).toBe("application/problem+json");
        expect(answer.headers["set-cookie"]).toBeUndefined();
      }
    }
  });

  test("takes a session for nothing, as a cookie or as a token", async () => {
    const { upstream, person } = await newHolder(locker);
    const [, session = ""] = person.cookie.split("=");
    expect(session).toMatch(/^alk_ses_/);
    const path = `${locker.proxyOrigin}/v1/proxy/api/x`;
    for (const headers of [
      { cookie: person.cookie },
      { authorization: `Bearer ${session}` },
      { "x-api-key": session },
    ]) {
      expect((await send(path, { headers })).status).toBe(401);
    }
    expect((await send(`${path}?key=${session}`)).status).toBe(401);
    expect(upstream.seen).toHaveLength(0);
  });

  test("hands paths of the app's own shape to the upstream when a token asks in direct mode", async () => {
    const { upstream, token } = await newHolder(locker);
    for (const path of ["/v1/keys", "/v1/me", "/"])
      await send(locker.proxyOrigin + path, { headers: { authorization: `Bearer ${token}` } });
    expect(upstream.seen.map(({ url }) => url)).toEqual(["/v1/keys", "/v1/me", "/"]);
  });
});

describe("a loop to ourselves", () => {
  test("cannot be stored: neither origin is ever an upstream", async () => {
    const person = await newPerson(locker);
    for (const [at, origin] of [
      locker.publicOrigin,
      locker.proxyOrigin,
      `${locker.proxyOrigin}/v1/proxy/self`,
    ].entries()) {
      await expect(storeKey(person, `self-${at}`, origin)).rejects.toThrow(/own hosts/);
    }
  });

  test("by another spelling of our name ends at once, and no second call is made", async () => {
    const person = await newPerson(locker);
    const { port } = new URL(locker.proxyOrigin);
    const spellings = [
      `http://127.0.0.1:${port}`,
      `http://127.1:${port}`,
      `http://2130706433:${port}`,
      `http://localhost.:${port}`,
    ];
    for (const [at, origin] of spellings.entries()) {
      const stored = await storeKey(person, `self-${at}`, `${origin}/v1/proxy/self-${at}`).catch(() => undefined);
      if (stored === undefined) continue;
      const { token } = await mintToken(person, { keys: [stored.id] });
      const answer = await send(`${locker.proxyOrigin}/v1/proxy/self-${at}/x`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect([origin, answer.status]).toEqual([origin, 421]);
      const rows = (await activity(person)).filter(({ action, key }) => action === "proxy.call" && key === stored.id);
      expect(rows).toHaveLength(1);
    }
  });
});
