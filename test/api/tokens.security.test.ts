import { describe, expect, test } from "vitest";
import type { Person } from "../../src/local/person.ts";
import { signInDevice } from "../support/device.ts";
import { newHolder, opened, problemIn, send, type Holder } from "../support/holder.ts";
import { activity, eventually, mintToken, newPerson, storeKey, type Minted, usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

type Told = { id: string; parent_id?: string; name: string; policy: Record<string, unknown>; expires_at?: string };
type Explained = {
  decision: string;
  rule?: string;
  status?: number;
  retry_after_s?: number;
  would_refuse?: { rule: string };
  key?: { id: string };
  checks: { rule: string; token_id: string; passed: boolean }[];
};

const json = (token: string, body: object): RequestInit => ({
  method: "POST",
  headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  body: JSON.stringify(body),
});
const derive = (token: string, policy: object = {}, name = "child") =>
  fetch(`${locker.publicOrigin}/v1/tokens/derive`, json(token, { name, policy }));
const child = async (token: string, policy: object = {}): Promise<Minted> => {
  const answer = await derive(token, policy);
  expect(answer.status).toBe(201);
  return answer.json<Minted>();
};
const proxied = (token: string, path = "/v1", method = "GET", key = "api") =>
  send(`${locker.proxyOrigin}/v1/proxy/${key}${path}`, { method, headers: { authorization: `Bearer ${token}` } });
const change = (person: Person, id: string, body: object) => person.api<Told>("PATCH", `/v1/tokens/${id}`, body);
const explain = (person: Person, question: object) => person.api<Explained>("POST", "/v1/explain", question);

/** A stream that is open and says so when it ends. */
async function openStream(holder: Holder, token: string) {
  holder.upstream.answerWith((request, response) => {
    if (!request.url?.startsWith("/stream")) return void response.end("{}");
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: 1\n\n");
  });
  const stream = await opened({ ...holder, token }, "/stream");
  const ended = new Promise<void>((resolve) =>
    stream
      .on("close", resolve)
      .on("error", () => {})
      .resume(),
  );
  return { ended };
}

describe("changing a token", () => {
  test("a field that is absent stays, null takes it away, names are resolved, and what is changed leaves a row", async () => {
    const { person, token_id, key } = await newHolder(locker, { policy: { methods: ["GET"], max_uses: 5 } });
    const told = await change(person, token_id, { name: "renamed", policy: { keys: ["api"], max_uses: null } });
    expect(told).toMatchObject({ name: "renamed", policy: { methods: ["GET"], keys: [key.id] } });
    expect(told.policy).not.toHaveProperty("max_uses");
    expect((await activity(person)).filter(({ action }) => action === "token.change")).toHaveLength(1);
  });

  test("is judged at the very next call, and uses before a limit was set count towards it", async () => {
    const holder = await newHolder(locker);
    for (let n = 0; n < 3; n++) expect((await holder.call("/v1")).status).toBe(200);
    await change(holder.person, holder.token_id, { policy: { max_uses: 4 } });
    expect([(await holder.call("/v1")).status, (await holder.call("/v1")).status]).toEqual([200, 403]);
    await change(holder.person, holder.token_id, { policy: { max_uses: 5 } });
    expect([(await holder.call("/v1")).status, (await holder.call("/v1")).status]).toEqual([200, 403]);
  });

  test("cuts what is open and would be refused now, at the token and at what was derived from it, and nothing else", async () => {
    const holder = await newHolder(locker);
    const { token } = await child(holder.token);
    const other = await mintToken(holder.person);
    const streams = await Promise.all([openStream(holder, holder.token), openStream(holder, token)]);
    const spared = await openStream(holder, other.token);
    let ended = false;
    void spared.ended.then(() => (ended = true));
    // What still stands is left alone.
    await change(holder.person, holder.token_id, { policy: { methods: ["GET"] } });
    await change(holder.person, holder.token_id, { policy: { paths: ["/other"] } });
    await Promise.all(streams.map((stream) => stream.ended));
    expect(ended).toBe(false);
    const rows = await eventually(async () => {
      const cut = (await activity(holder.person)).filter(({ outcome }) => outcome === "cut");
      return cut.length === 2 && cut;
    });
    expect(rows.map(({ rule }) => rule)).toEqual(["paths", "paths"]);
  });

  test("a revoked token is not changed, an absent one is not there, nor is somebody else's", async () => {
    const [ada, eve] = [await newPerson(locker), await newPerson(locker, "eve")];
    const { id } = await mintToken(ada);
    const status = async (person: Person, which: string) =>
      (
        await person.fetch(`/v1/tokens/${which}`, {
          method: "PATCH",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ name: "x" }),
        })
      ).status;
    expect(await status(eve, id)).toBe(404);
    expect(await status(ada, "tok_01ABSENT")).toBe(404);
    await ada.api("DELETE", `/v1/tokens/${id}`);
    expect(await status(ada, id)).toBe(409);
  });
});

describe("a derived token", () => {
  test("is narrower, shown under its parent, and its uses are its parent's too", async () => {
    const { person, token, token_id, upstream } = await newHolder(locker, { policy: { max_uses: 4 } });
    const one = await child(token, { methods: ["GET"], max_uses: 2 });
    const grandchild = await child(one.token, { paths: ["/v1"] });
    expect((await proxied(one.token, "/v1", "POST")).status).toBe(403);
    expect((await proxied(grandchild.token, "/v2")).status).toBe(403);
    expect((await proxied(grandchild.token)).status).toBe(200);
    expect((await proxied(one.token)).status).toBe(200);
    const spent = await proxied(grandchild.token);
    expect([spent.status, problemIn(spent).rule]).toEqual([403, "max_uses"]);
    expect((await proxied(token)).status).toBe(200);
    expect((await proxied(token)).status).toBe(200);
    expect((await proxied(token)).status).toBe(403);
    expect(upstream.seen).toHaveLength(4);
    const { items } = await person.api<{ items: Told[] }>("GET", "/v1/tokens");
    expect(Object.fromEntries(items.map(({ id, parent_id }) => [id, parent_id]))).toEqual({
      [token_id]: undefined,
      [one.id]: token_id,
      [grandchild.id]: one.id,
    });
  });

  test("is refused where it would be wider or longer, by field; a key outside its parent's is not there", async () => {
    const { person, upstream } = await newHolder(locker);
    await storeKey(person, "mine", upstream.origin);
    const soon = new Date(Date.now() + 60_000).toISOString();
    const policy = {
      keys: ["mine"],
      methods: ["GET"],
      paths: ["/v1/*"],
      ip_allow: ["127.0.0.0/8"],
      expires_at: soon,
      max_uses: 5,
      rate: { per_minute: 60 },
    };
    const parent = await mintToken(person, policy);
    const wider = {
      methods: ["GET", "POST"],
      paths: ["/v1/**"],
      ip_allow: ["0.0.0.0/0"],
      expires_at: new Date(Date.now() + 120_000).toISOString(),
      max_uses: 6,
      rate: { per_second: 2 },
      allow_credential_endpoints: true,
    };
    for (const [field, value] of Object.entries(wider)) {
      const answer = await derive(parent.token, { [field]: value });
      const { code, errors } = await answer.json<{ code: string; errors: { field: string }[] }>();
      expect([field, answer.status, code, errors]).toMatchObject([
        field,
        403,
        "insufficient_scope",
        [{ field: `policy.${field}` }],
      ]);
    }
    const [foreign, absent] = await Promise.all([
      derive(parent.token, { keys: ["api"] }),
      derive(parent.token, { keys: ["nothing"] }),
    ]);
    expect([foreign.status, absent.status]).toEqual([422, 422]);
    expect((await foreign.text()).replaceAll("api", "nothing")).toBe(await absent.text());
    const { expires_at } = await child(parent.token).then(({ id }) => person.api<Told>("GET", `/v1/tokens/${id}`));
    expect(expires_at).toBe(soon);
  });

  test("ends, pauses and narrows with its parent, at once and with what it has open", async () => {
    const holder = await newHolder(locker);
    const one = await child(holder.token);
    const two = await child(one.token);
    await holder.person.api("POST", `/v1/tokens/${holder.token_id}/pause`);
    for (const { token } of [one, two]) expect((await proxied(token)).status).toBe(423);
    expect((await derive(one.token)).status).toBe(423);
    await holder.person.api("POST", `/v1/tokens/${holder.token_id}/resume`);
    await change(holder.person, holder.token_id, { policy: { methods: ["POST"] } });
    for (const { token } of [one, two]) expect(problemIn(await proxied(token)).rule).toBe("methods");
    await change(holder.person, holder.token_id, { policy: { methods: null } });
    const stream = await openStream(holder, two.token);
    const receipt = await holder.person.api<{ streams_cut: number }>("DELETE", `/v1/tokens/${holder.token_id}`);
    expect(receipt.streams_cut).toBe(1);
    await stream.ended;
    for (const { token } of [one, two]) {
      expect((await proxied(token)).status).toBe(401);
      expect((await derive(token)).status).toBe(401);
    }
  });

  test("is made five deep at most, by an app token only, and only where that may be used", async () => {
    const { person, token } = await newHolder(locker);
    let deepest = token;
    for (let depth = 0; depth < 5; depth++) deepest = (await child(deepest)).token;
    expect((await proxied(deepest)).status).toBe(200);
    expect((await derive(deepest)).status).toBe(403);
    const asPerson = await person.fetch("/v1/tokens/derive", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "x" }),
    });
    expect(asPerson.status).toBe(403);
    const elsewhere = await mintToken(person, { ip_allow: ["203.0.113.0/24"] });
    expect((await derive(elsewhere.token)).status).toBe(403);
  });

  test("a parent with a hundred live children makes no more", async () => {
    const { token } = await newHolder(locker);
    for (let made = 0; made < 100; made += 20)
      for (const answer of await Promise.all(Array.from({ length: 20 }, () => derive(token))))
        expect(answer.status).toBe(201);
    expect((await derive(token)).status).toBe(409);
  });
});

describe("the keys that a token reaches", () => {
  const reached = (token: string, query = "") =>
    fetch(`${locker.publicOrigin}/v1/allowed-keys${query}`, { headers: { authorization: `Bearer ${token}` } });
  const names = async (token: string) =>
    (await (await reached(token)).json<{ items: { name: string }[] }>()).items.map(({ name }) => name);

  test("are told to whoever holds it, with the addresses that stand for their providers', and nothing else of them", async () => {
    const ada = await newPerson(locker);
    const { id } = await storeKey(ada, "mine", "https://api.openai.com", { provider: "openai", note: "private" });
    await storeKey(ada, "other", "https://api.example.com");
    const { token } = await mintToken(ada, { keys: ["mine"] });
    const url = `${locker.proxyOrigin}/v1/proxy/mine`;
    const told = { id, name: "mine", provider: "openai", url, sdk_base_url: `${url}/v1` };
    expect(await (await reached(token)).json()).toEqual({ items: [told] });
    expect(await names((await mintToken(ada)).token)).toEqual(["other", "mine"]);
    const first = await (await reached((await mintToken(ada)).token, "?limit=1")).json<{ next_cursor: string }>();
    const second = await reached((await mintToken(ada)).token, `?limit=1&cursor=${first.next_cursor}`);
    expect(await second.json()).toEqual({ items: [told] });
  });

  test("are those that all tokens reach which it was derived from, now", async () => {
    const ada = await newPerson(locker);
    for (const name of ["a", "b", "c"]) await storeKey(ada, name, "https://api.example.com");
    const parent = await mintToken(ada, { keys: ["a", "b"] });
    const derived = await child(parent.token);
    expect(await names(derived.token)).toEqual(["b", "a"]);
    await change(ada, parent.id, { policy: { keys: ["a"] } });
    expect(await names(derived.token)).toEqual(["a"]);
  });

  test("are told to nobody where its policy does not let it call, nor once it is dead", async () => {
    const ada = await newPerson(locker);
    const elsewhere = await reached((await mintToken(ada, { ip_allow: ["203.0.113.9"] })).token);
    expect([elsewhere.status, await elsewhere.json()]).toMatchObject([403, { rule: "ip_allow" }]);
    const { id, token } = await mintToken(ada);
    await ada.api("POST", `/v1/tokens/${id}/pause`);
    expect((await reached(token)).status).toBe(423);
    await ada.api("DELETE", `/v1/tokens/${id}`);
    expect((await reached(token)).status).toBe(401);
  });
});

describe("explain", () => {
  test("says what the proxy does, with the rule, for every kind of refusal, and leaves no trace", async () => {
    const { person, upstream, key } = await newHolder(locker);
    await storeKey(person, "other", upstream.origin);
    const policies: object[] = [
      {},
      { keys: ["other"] },
      { methods: ["POST"] },
      { paths: ["/v2"] },
      { ip_allow: ["203.0.113.1"] },
      { countries: ["FR"] },
      { not_before: new Date(Date.now() + 60_000).toISOString() },
      { expires_at: new Date(Date.now() + 60_000).toISOString() },
      { warn: { methods: ["POST"] } },
    ];
    for (const policy of policies) {
      const { id, token } = await mintToken(person, policy);
      if ("expires_at" in policy) await change(person, id, { policy: { expires_at: new Date(0).toISOString() } });
      const before = (await activity(person, 200)).length;
      const told = await explain(person, { token_id: id, key: "api", method: "get", path: "/v1" });
      expect((await activity(person, 200)).length).toBe(before);
      const answer = await proxied(token);
      expect([policy, told.decision === "allow" ? 200 : told.status]).toEqual([policy, answer.status]);
      expect([policy, told.rule]).toEqual([policy, answer.status === 200 ? undefined : problemIn(answer).rule]);
      expect(told.checks.filter(({ passed }) => !passed)).toHaveLength(told.decision === "allow" ? 0 : 1);
      expect(told.key?.id).toBe(
        ["token", "ip_allow", "countries", "not_before", "keys"].includes(told.checks.at(-1)?.rule ?? "")
          ? undefined
          : key.id,
      );
      if ("warn" in policy) expect(told.would_refuse?.rule).toBe("methods");
    }
    expect(await explain(person, { token_id: (await mintToken(person)).id, key: "absent", path: "/" })).toMatchObject({
      decision: "deny",
      rule: "keys",
      status: 404,
    });
  });

  test("counts nothing, and knows what was counted, then and later", async () => {
    const holder = await newHolder(locker, { policy: { daily_quota: 1 } });
    const question = { token_id: holder.token_id, key: "api", path: "/v1" };
    for (let n = 0; n < 3; n++) expect(await explain(holder.person, question)).toMatchObject({ decision: "allow" });
    expect((await holder.call("/v1")).status).toBe(200);
    expect(await explain(holder.person, question)).toMatchObject({
      decision: "deny",
      rule: "daily_quota",
      status: 429,
    });
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    expect(await explain(holder.person, { ...question, at: tomorrow })).toMatchObject({ decision: "allow" });
  });

  test("says whose rule it is where a token was derived", async () => {
    const { person, token, token_id } = await newHolder(locker);
    const { id } = await child(token);
    await change(person, token_id, { policy: { methods: ["POST"] } });
    const { checks, rule } = await explain(person, { token_id: id, key: "api", path: "/v1" });
    expect([rule, checks.at(-1)]).toEqual(["methods", { rule: "methods", token_id, passed: false }]);
  });

  test("tells nothing of a token that is somebody else's, or is none of an app", async () => {
    const [ada, eve] = [await newPerson(locker), await newPerson(locker, "eve")];
    const { id } = await mintToken(ada);
    const session = (await ada.api<{ session: { id: string } }>("GET", "/v1/me")).session.id;
    for (const [person, token_id] of [
      [eve, id],
      [ada, session],
      [ada, "tok_01ABSENT"],
    ] as const) {
      const answer = await person.fetch("/v1/explain", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token_id, path: "/" }),
      });
      expect(answer.status).toBe(404);
    }
  });
});

describe("what a device may not have by a token or a key of its own making", () => {
  test("an upstream's words about the secret: neither calls that show credentials, nor a key that is searched no more", async () => {
    const { person, key } = await newHolder(locker, { key: { scrub: true } });
    const device = await signInDevice(locker, person);
    const send = (method: string, path: string, body: object) =>
      device.fetch(path, { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    const policy = { keys: ["api"], allow_credential_endpoints: true };
    const minted = await send("POST", "/v1/tokens", { name: "wide", policy });
    expect([minted.status, (await minted.json<{ rule: string }>()).rule]).toEqual([403, "parent"]);
    expect((await send("PATCH", "/v1/keys/api", { scrub: false })).status).toBe(403);
    expect((await send("PATCH", "/v1/keys/api", { scrub: true, note: "mine" })).status).toBe(200);
    expect(await person.api("PATCH", `/v1/keys/${key.id}`, { scrub: false })).toMatchObject({ scrub: false });
  });
});
