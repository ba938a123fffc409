import type { IncomingMessage, ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { signInDevice } from "../support/device.ts";
import { begin, ended, newHolder, opened, problemIn, SECRET, type Holder, type Sent } from "../support/holder.ts";
import { eventually, mintToken, storeKey, type Minted, usualLocker } from "../support/locker.ts";
import { connect } from "../support/oauth.ts";
import { WAYS_TO_STOP } from "../support/ways_to_stop.ts";

const locker = await usualLocker();

/** An upstream that answers with a head, a first piece, and nothing more. */
function endless({ upstream }: Holder, head: (response: ServerResponse) => void) {
  const closed = Promise.withResolvers<void>();
  upstream.answerWith((_request, response) => {
    response.on("close", closed.resolve);
    head(response);
  });
  return closed.promise;
}

const EVENTS = (response: ServerResponse) =>
  void response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");

type Receipt = { streams_cut: number; in_flight: number };

test.each(WAYS_TO_STOP)(
  "an open stream is cut on both sides when %s, and its row says so",
  async (_what, rule, stop) => {
    const holder = await newHolder(locker);
    const upstreamClosed = endless(holder, EVENTS);
    const answer = await opened(holder, "/stream");
    await new Promise((resolve) => answer.once("data", resolve));
    const clientEnded = ended(answer);
    const receipt = (await stop(holder)) as Receipt;
    expect(await clientEnded).toBe("broken off");
    await upstreamClosed;
    // Cut and acknowledged, or let through before and not yet leashed: the receipt knows of it either way.
    if ("streams_cut" in receipt) expect(receipt.streams_cut + receipt.in_flight).toBe(1);
    expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule, status: 200 });
  },
);

/** Whoever else can have a stream open: what it shows, and how a person ends that. */
type Caller = { token: string; sent?: Sent | undefined; stop: () => Promise<unknown> };
const CALLERS: [what: string, rule: string, caller: (holder: Holder) => Promise<Caller>][] = [
  [
    "a device that is revoked",
    "revoked",
    async ({ person, key }) => {
      const { id, token } = await signInDevice(locker, person, { keys: [key.id] });
      return { token, stop: () => person.api("DELETE", `/v1/devices/${id}`) };
    },
  ],
  [
    "a token that a device made, with its device",
    "revoked",
    async ({ person }) => {
      const device = await signInDevice(locker, person);
      const { token } = await device.api<Minted>("POST", "/v1/tokens", { name: "made", policy: {} });
      return { token, stop: () => person.api("DELETE", `/v1/devices/${device.id}`) };
    },
  ],
  [
    "a token derived from a derived one, with the first",
    "revoked",
    async ({ person, token, token_id }) => ({
      token: await derived(await derived(token)),
      stop: () => person.api("DELETE", `/v1/tokens/${token_id}`),
    }),
  ],
  ["a client whose grant is revoked", "revoked", (holder) => granted(holder, "DELETE")],
  ["a client whose grant is paused", "token_paused", (holder) => granted(holder, "POST", undefined, "/pause")],
  ["a client whose grant has the key no more", "keys", (holder) => granted(holder, "PATCH", { keys: [] })],
  ["a client whose grant may call no more", "scopes", (holder) => granted(holder, "PATCH", { scopes: ["vault:read"] })],
  [
    "a token whose policy has the key no more",
    "keys",
    async (holder) => {
      await storeKey(holder.person, "other", holder.upstream.origin);
      return narrowed(holder, { keys: ["other"] });
    },
  ],
  ["a token whose policy names other methods", "methods", (holder) => narrowed(holder, { methods: ["POST"] })],
  [
    "a call that named another method beside, when methods are named",
    "methods",
    (holder) => narrowed(holder, { methods: ["GET"] }, { headers: { "x-http-method-override": "DELETE" } }),
  ],
  ["a token whose policy names other paths", "paths", (holder) => narrowed(holder, { paths: ["/other/**"] })],
  [
    "a token whose policy names other addresses",
    "ip_allow",
    (holder) => narrowed(holder, { ip_allow: ["192.0.2.0/24"] }),
  ],
  ["a token whose policy names other countries", "countries", (holder) => narrowed(holder, { countries: ["NZ"] })],
  [
    "a token whose policy begins later",
    "not_before",
    (holder) => narrowed(holder, { not_before: new Date(Date.now() + 3_600_000).toISOString() }),
  ],
  [
    "a token that is made to have expired",
    "expired",
    (holder) => narrowed(holder, { expires_at: new Date(Date.now() + 500).toISOString() }),
  ],
];

async function derived(token: string): Promise<string> {
  const asked = { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } };
  const body = JSON.stringify({ name: "child", policy: {} });
  return (await (await fetch(`${locker.publicOrigin}/v1/tokens/derive`, { ...asked, body })).json<Minted>()).token;
}

async function granted({ person }: Holder, method: string, body?: object, rest = ""): Promise<Caller> {
  const { access_token } = await connect(locker, person, { scope: "vault:read vault:proxy" });
  const { items } = await person.api<{ items: { id: string }[] }>("GET", "/v1/grants");
  return { token: access_token, stop: () => person.api(method, `/v1/grants/${items[0]?.id}${rest}`, body) };
}

async function narrowed({ person, token, token_id }: Holder, policy: object, sent?: Sent): Promise<Caller> {
  return { token, sent, stop: () => person.api("PATCH", `/v1/tokens/${token_id}`, { policy }) };
}

test.each(CALLERS)("an open stream is cut on both sides: of %s", async (_what, rule, caller) => {
  const holder = await newHolder(locker);
  const upstreamClosed = endless(holder, EVENTS);
  const { token, sent, stop } = await caller(holder);
  const answer = await opened({ ...holder, token }, "/stream", sent);
  const clientEnded = ended(answer);
  await stop();
  expect(await clientEnded).toBe("broken off");
  await upstreamClosed;
  expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule });
});

const LANES: [string, object, (response: ServerResponse) => void][] = [
  ["of known length", {}, (response) => void response.writeHead(200, { "content-length": "99999" }).write("1")],
  ["of unknown length", {}, (response) => void response.writeHead(200).write("1")],
  ["that is scrubbed", { scrub: true }, (response) => void response.writeHead(200).write("1")],
  ["of an error", {}, (response) => void response.writeHead(500).write(`1${SECRET.slice(0, 5)}`)],
];

test.each(LANES)(
  "a body %s is cut too, whether or not its leash was open when its token was revoked",
  async (_what, key, head) => {
    const holder = await newHolder(locker, { key });
    const upstreamClosed = endless(holder, head);
    const answer = await opened(holder, "/stream");
    const clientEnded = ended(answer);
    const { streams_cut, in_flight } = await revoke(holder);
    expect(streams_cut + in_flight).toBe(1);
    expect(await clientEnded).toBe("broken off");
    await upstreamClosed;
    expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule: "revoked" });
  },
);

test("a client that waits for a short body is told why, with nothing of the answer", async () => {
  const holder = await newHolder(locker);
  const began = Promise.withResolvers<void>();
  const upstreamClosed = endless(holder, (response) => {
    response.writeHead(200, { "content-length": "9", "x-said": "yes" }).write("1");
    began.resolve();
  });
  const answered = holder.call("/stream");
  await began.promise;
  const { streams_cut, in_flight } = await revoke(holder);
  expect(streams_cut + in_flight).toBe(1);
  const refused = await answered;
  expect([refused.status, problemIn(refused).rule]).toEqual([401, "revoked"]);
  expect(refused.headers).not.toHaveProperty("x-said");
  await upstreamClosed;
  expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule: "revoked" });
});

function revoke({ person, token_id }: Holder): Promise<Receipt> {
  return person.api<Receipt>("DELETE", `/v1/tokens/${token_id}`);
}

test("an upload is cut in its middle", async () => {
  const holder = await newHolder(locker);
  const arrived = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  holder.upstream.answerAtOnce((request) => {
    request.once("data", () => arrived.resolve());
    request.on("close", closed.resolve).on("error", () => {});
  });
  const { asked, answered } = begin(holder, "/upload", { method: "POST", headers: { "content-length": "1000000" } });
  asked.on("error", () => {});
  asked.write("a");
  await arrived.promise;
  await revoke(holder);
  await closed.promise;
  expect((await answered).statusCode).toBe(401);
  asked.destroy();
  expect(await holder.row("/upload")).toMatchObject({ outcome: "cut", rule: "revoked" });
});

test.each([
  ["revoked", 401, "invalid_token", ({ person, token_id }: Holder) => person.api("DELETE", `/v1/tokens/${token_id}`)],
  ["paused", 423, "paused", ({ person, token_id }: Holder) => person.api("POST", `/v1/tokens/${token_id}/pause`)],
])(
  "a client that still waits for the first byte when its token is %s is told so",
  async (_what, status, code, stop) => {
    const holder = await newHolder(locker);
    const upstreamClosed = endless(holder, () => {});
    const asked = holder.call("/slow");
    await eventually(async () => holder.upstream.seen.length > 0);
    await stop(holder);
    const answer = await asked;
    expect([answer.status, problemIn(answer).code]).toEqual([status, code]);
    expect(answer.headers["apilocker-request-id"]).toBe((await holder.row("/slow")).id);
    await upstreamClosed;
  },
);

test("a stream ends when its token expires", async () => {
  const holder = await newHolder(locker);
  const upstreamClosed = endless(holder, EVENTS);
  // Longer where a machine is so busy that it had expired before it was used.
  const living = async (lives_ms: number): Promise<[number, IncomingMessage]> => {
    const expires_at = Date.now() + lives_ms;
    const { token } = await mintToken(holder.person, { expires_at: new Date(expires_at).toISOString() });
    const stream = await opened({ ...holder, token }, "/stream");
    return stream.statusCode === 200 ? [expires_at, stream] : living(2 * lives_ms);
  };
  const [expires_at, stream] = await living(2_500);
  expect(await ended(stream)).toBe("broken off");
  await upstreamClosed;
  expect(Date.now()).toBeGreaterThanOrEqual(expires_at - 50);
  expect(await holder.row("/stream")).toMatchObject({ outcome: "cut", rule: "expired" });
});

test("many streams of one token are all cut, on both sides", async () => {
  const holder = await newHolder(locker);
  let open = 0;
  holder.upstream.answerWith((_request, response) => {
    open++;
    response.on("close", () => open--);
    EVENTS(response);
  });
  const answers = await Promise.all(Array.from({ length: 40 }, () => opened(holder, "/stream")));
  const ends = answers.map(ended);
  const { streams_cut, in_flight } = await revoke(holder);
  expect(streams_cut + in_flight).toBe(40);
  expect(new Set(await Promise.all(ends))).toEqual(new Set(["broken off"]));
  await eventually(async () => open === 0);
});

test("a stream of another token of the same vault and key goes on", async () => {
  const holder = await newHolder(locker);
  const other = await mintToken(holder.person);
  const responses: ServerResponse[] = [];
  holder.upstream.answerWith((_request, response) => {
    responses.push(response);
    EVENTS(response);
  });
  const kept = await opened({ ...holder, token: other.token }, "/kept");
  const cut = await opened(holder, "/cut");
  const [keptEnded, cutEnded] = [ended(kept), ended(cut)];
  await holder.person.api("DELETE", `/v1/tokens/${holder.token_id}`);
  expect(await cutEnded).toBe("broken off");
  responses[0]?.end("data: 2\n\n");
  expect(await keptEnded).toBe("whole");
  expect(await holder.row("/kept")).toMatchObject({ outcome: "ok" });
});

test("no stream is cut because it begins at the very moment at which its leash opens", async () => {
  const holder = await newHolder(locker);
  holder.upstream.answerWith((_request, response, { url }) => {
    setTimeout(
      () => {
        response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
        setTimeout(() => response.end("data: 2\n\n"), 100);
      },
      Number(url.slice(1)),
    );
  });
  const answers = Array.from({ length: 100 }, (_, at) => holder.call(`/${240 + (at % 25)}`));
  for (const { text } of await Promise.all(answers)) expect(text).toBe("data: 1\n\ndata: 2\n\n");
});
