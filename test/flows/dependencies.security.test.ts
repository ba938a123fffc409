import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signIn, type Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import {
  failWith,
  startFailingLocker,
  startProvider,
  type ProviderFault,
  type Faults,
  type Provider,
} from "../support/faults.ts";
import { newHolder, opened, problemIn, send as sendTo } from "../support/holder.ts";
import { activity, mintToken, storeKey, type Minted } from "../support/locker.ts";
import { letIn, current, type Client } from "../support/mcp.ts";
import { connect, register, REDIRECT_URI, tokenRequest } from "../support/oauth.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const OPERATOR_TOKEN = "operator-0123456789-0123456789-0123456789";

let locker: LocalLocker;
let provider: Provider;
let upstream: Upstream;
let hook: Upstream;
beforeAll(async () => {
  [provider, upstream, hook] = await Promise.all([startProvider("apilocker"), startUpstream(), startUpstream()]);
  locker = await startFailingLocker({ vars: { OPERATOR_TOKEN, OIDC_ISSUER: provider.origin } });
});
afterAll(() => Promise.all([locker.stop(), provider.stop(), upstream.stop(), hook.stop()]));

/** Somebody who has everything, made while all was well. */
type Subject = {
  email: string;
  person: Person;
  live: Minted;
  spare: Minted;
  dead: Minted;
  refresh_token: string;
  oauth: { client_id: string; refresh_token: string; access_token: string };
  mcp: Client;
};

async function newSubject(): Promise<Subject> {
  const email = `${randomUUID()}@example.com`;
  const person = await signIn(locker.publicOrigin, email);
  await storeKey(person, "k", upstream.origin);
  await storeKey(person, "spare", upstream.origin);
  await person.api("POST", "/v1/webhooks", { url: hook.origin });
  const [live, spare, dead] = await Promise.all([mintToken(person), mintToken(person), mintToken(person)]);
  await person.api("DELETE", `/v1/tokens/${dead.id}`);
  const { refresh_token } = await person.api<{ refresh_token: string }>("POST", "/v1/tokens", {
    name: "r",
    rotation: "hourly",
  });
  const { client, ...tokens } = await connect(locker, person, { scope: "vault:read vault:proxy" });
  const oauth = {
    client_id: client.client_id,
    access_token: tokens.access_token,
    refresh_token: tokens.refresh_token ?? "",
  };
  const mcp = await letIn(locker, person);
  return { email, person, live, spare, dead, refresh_token, oauth, mcp };
}

function call({ token }: { token: string }): Promise<Response> {
  return fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } });
}

function send({ person }: Subject, method: string, path: string, body?: object): Promise<Response> {
  const sent =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return person.fetch(path, { method, ...sent });
}

/** Signing in to the end; the status of where it ends. */
async function signingIn(email: string): Promise<Response> {
  try {
    await signIn(locker.publicOrigin, email);
    return new Response();
  } catch (fault) {
    const [, status = "0"] = /: (\d{3}) /.exec(String(fault)) ?? [];
    return new Response(null, { status: Number(status), headers: { "retry-after": "told to the person" } });
  }
}

const PROBES = {
  "a call": ({ live }: Subject) => call(live),
  "a call by an MCP client": ({ oauth }: Subject) => call({ token: oauth.access_token }),
  "a call with a token that was revoked": ({ dead }: Subject) => call(dead),
  "a tool call": async ({ mcp }: Subject) => {
    const { status } = await current(mcp, "tools/call", { name: "list_keys", arguments: {} });
    return new Response(null, { status, headers: { "retry-after": "in the message" } });
  },
  "storing a key": (subject: Subject) =>
    send(subject, "POST", "/v1/keys", { name: "new", provider: "openai", secret: "sk-new-0123456789" }),
  "rotating a key": (subject: Subject) => send(subject, "POST", "/v1/keys/k/rotate", { secret: "sk-next-0123456789" }),
  "deleting a key": (subject: Subject) => send(subject, "DELETE", "/v1/keys/spare"),
  "listing keys": (subject: Subject) => send(subject, "GET", "/v1/keys"),
  "reading the log": (subject: Subject) => send(subject, "GET", "/v1/activity"),
  "minting a token": (subject: Subject) => send(subject, "POST", "/v1/tokens", { name: "new" }),
  "revoking a token": (subject: Subject) => send(subject, "DELETE", `/v1/tokens/${subject.spare.id}`),
  "refreshing an app token": ({ refresh_token }: Subject) =>
    fetch(`${locker.publicOrigin}/v1/tokens/refresh`, {
      method: "POST",
      headers: { authorization: `Bearer ${refresh_token}` },
    }),
  "refreshing an MCP client's token": ({ oauth: { client_id, refresh_token } }: Subject) =>
    tokenRequest(locker, { grant_type: "refresh_token", client_id, refresh_token }),
  "registering a client": () => register(locker, { client_name: "New", redirect_uris: [REDIRECT_URI] }),
  "asking for a device code": () =>
    fetch(`${locker.publicOrigin}/device_authorization`, {
      method: "POST",
      body: new URLSearchParams({ client_id: "apilocker-cli" }),
    }),
  "signing in": ({ email }: Subject) => signingIn(email),
  "signing up": () => signingIn(`${randomUUID()}@example.com`),
  health: () => fetch(`${locker.publicOrigin}/health`),
} satisfies Record<string, (subject: Subject) => Promise<Response>>;

type Probe = keyof typeof PROBES;

const WELL: Record<Probe, number> = {
  "a call": 200,
  "a call by an MCP client": 200,
  "a call with a token that was revoked": 401,
  "a tool call": 200,
  "storing a key": 201,
  "rotating a key": 200,
  "deleting a key": 200,
  "listing keys": 200,
  "reading the log": 200,
  "minting a token": 201,
  "revoking a token": 200,
  "refreshing an app token": 200,
  "refreshing an MCP client's token": 200,
  "registering a client": 201,
  "asking for a device code": 200,
  "signing in": 200,
  "signing up": 200,
  health: 200,
};

const WITHOUT_KV = { "storing a key": 503, "rotating a key": 503, "signing up": 503 };
const WITHOUT_D1 = {
  "reading the log": 503,
  "refreshing an MCP client's token": 503,
  "registering a client": 503,
  "asking for a device code": 503,
  "signing in": 503,
  "signing up": 503,
};
const WITHOUT_PROVIDER = { "signing in": 503, "signing up": 503 };
const WITHOUT_UPSTREAM = { "a call": 502, "a call by an MCP client": 502 };

/** What is away, how it shows, and what is answered otherwise than when all is well. */
const OUTAGES: Record<string, { faults?: Faults; away?: () => () => void; differs: Partial<Record<Probe, number>> }> = {
  nothing: { differs: {} },
  "KV refuses": { faults: { BLOBS: "down" }, differs: WITHOUT_KV },
  "KV hangs": { faults: { BLOBS: "hanging" }, differs: WITHOUT_KV },
  "D1 refuses": { faults: { DB: "down" }, differs: WITHOUT_D1 },
  "D1 hangs": { faults: { DB: "hanging" }, differs: WITHOUT_D1 },
  "KV and D1 are slow": { faults: { BLOBS: "slow", DB: "slow" }, differs: {} },
  "the identity provider refuses": {
    away: () => withoutProvider("down"),
    differs: WITHOUT_PROVIDER,
  },
  "the identity provider hangs": {
    faults: { outside: "hanging" },
    away: () => withoutProvider("hanging"),
    differs: WITHOUT_PROVIDER,
  },
  "the identity provider breaks off in the middle of an answer": {
    away: () => withoutProvider("broken off"),
    differs: WITHOUT_PROVIDER,
  },
  "the upstream breaks off": { away: () => withoutUpstream(), differs: WITHOUT_UPSTREAM },
  "the webhooks' target hangs": { faults: { outside: "hanging" }, away: () => withoutHook(), differs: {} },
  "all of them are away": {
    faults: { BLOBS: "down", DB: "hanging", outside: "hanging" },
    away: () => {
      const back = [withoutProvider("down"), withoutUpstream(), withoutHook()];
      return () => back.forEach((one) => one());
    },
    differs: { ...WITHOUT_KV, ...WITHOUT_D1, ...WITHOUT_PROVIDER, ...WITHOUT_UPSTREAM },
  },
};

function withoutProvider(fault: ProviderFault): () => void {
  provider.failAs(fault);
  return () => provider.failAs(undefined);
}
function withoutUpstream(): () => void {
  upstream.answerWith(({ socket }) => void socket.destroy());
  return () => upstream.answerWith((_request, response) => void response.end("{}"));
}
function withoutHook(): () => void {
  hook.answerWith(() => {});
  return () => hook.answerWith((_request, response) => void response.end());
}

it("deep health says which store does not answer, to the operator alone", async () => {
  await failWith(locker, { DB: "down", BLOBS: "hanging" });
  const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` };
  const deep = await fetch(`${locker.publicOrigin}/health/deep`, { headers });
  await failWith(locker, {});
  expect(deep.status).toBe(503);
  expect(await deep.json()).toEqual({ ok: false, d1: false, kv: false, vault: true });
  expect((await fetch(`${locker.publicOrigin}/health/deep`)).status).toBe(401);
});

describe.each(Object.entries(OUTAGES))("while %s", (_what, { faults = {}, away, differs }) => {
  it("each answer is the one of the table, none opens anything, none says that a good token is bad, and nothing is lost", async () => {
    const subject = await newSubject();
    const arrived = upstream.seen.length;
    const back = away?.();
    await failWith(locker, faults);
    const answers = await Promise.all(
      Object.entries(PROBES).map(async ([probe, ask]) => [probe, await ask(subject)] as const),
    );
    await failWith(locker, {});
    back?.();
    expect(Object.fromEntries(answers.map(([probe, { status }]) => [probe, status]))).toEqual({ ...WELL, ...differs });
    for (const [probe, answer] of answers)
      if (answer.status === 503) expect(answer.headers.get("retry-after"), probe).not.toBe(null);
    // The two calls, and nothing of the one whose token was revoked.
    expect(upstream.seen.length).toBe(arrived + 2);

    const { person, live, spare } = subject;
    expect((await call(spare)).status).toBe(401);
    expect((await call(live)).status).toBe(200);
    const sent = upstream.seen.at(-1)?.headers.authorization;
    const rotated = answers.some(([probe, { status }]) => probe === "rotating a key" && status === 200);
    expect(sent).toBe(rotated ? "Bearer sk-next-0123456789" : "Bearer sk-test-k-0123456789abcdef");
    expect(await person.api("GET", "/v1/activity/verify")).toMatchObject({ ok: true });
    expect((await activity(person, 200)).filter(({ action }) => action === "proxy.call").length).toBeGreaterThan(2);
  });
});

it("while D1 is away an MCP client is told so in our words, not in the store's, whatever it reads", async () => {
  const { mcp } = await newSubject();
  await failWith(locker, { DB: "down" });
  const { status, text } = await current(mcp, "resources/read", { uri: "locker://activity" });
  await failWith(locker, {});
  expect(status).toBe(200);
  expect(text).toContain('"code":"unavailable"');
  expect(text).not.toMatch(/\bdown\b|D1|at .*:\d+:\d+/);
});

it("while all of them are away everything can be stopped: what is open is cut, what comes is refused", async () => {
  const holder = await newHolder(locker);
  const { person, token_id } = holder;
  holder.upstream.answerWith((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
  });
  const other = await mintToken(person);
  const streams = [await opened(holder, "/one"), await opened({ ...holder, token: other.token }, "/two")];
  const ends = streams.map((stream) => once(stream.resume(), "error"));
  const back = [withoutProvider("down"), withoutHook()];
  await failWith(locker, { BLOBS: "down", DB: "hanging" });
  holder.upstream.server.close();

  const receipt = await person.api<{ streams_cut: number; in_flight: number }>("DELETE", `/v1/tokens/${token_id}`);
  expect(receipt.streams_cut + receipt.in_flight).toBe(1);
  await ends[0];
  expect((await holder.call("/more")).status).toBe(401);
  await person.api("POST", "/v1/keys/api/pause");
  await ends[1];
  const again = () => sendTo(`${holder.base}/more`, { headers: { authorization: `Bearer ${other.token}` } });
  expect(problemIn(await again())).toMatchObject({ code: "paused", rule: "key_paused" });
  await person.api("POST", "/v1/vault/freeze");
  expect(problemIn(await again())).toMatchObject({ code: "frozen" });

  await failWith(locker, {});
  for (const one of back) one();
  expect(holder.upstream.seen.map(({ url }) => url)).toEqual(["/one", "/two"]);
});
