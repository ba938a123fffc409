import Stripe from "stripe";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";
import { spoiled } from "../support/spoiled.ts";

const KEY = "sk_live_51realStripeKey9QxZ";

let locker: LocalLocker;
let upstream: Upstream;
let one: string;
let both: string;

beforeAll(async () => {
  locker = await usualLocker();
  upstream = await startUpstream();
  const person = await newPerson(locker);
  await storeKey(person, "stripe", upstream.origin, { provider: "stripe", secret: KEY });
  await storeKey(person, "other", upstream.origin);
  ({ token: one } = await mintToken(person, { keys: ["stripe"] }));
  ({ token: both } = await mintToken(person, { keys: ["stripe", "other"] }));
});

afterAll(() => upstream.stop());

/** The SDK as it would be set up: it knows hosts and ports, but no base path. */
function stripe(token: string): Stripe {
  const { hostname, port } = new URL(locker.proxyOrigin);
  return new Stripe(token, {
    host: hostname,
    port: Number(port),
    protocol: "http",
    maxNetworkRetries: 0,
    telemetry: false,
  });
}

function seen() {
  const last = upstream.seen.at(-1);
  if (last === undefined) throw new Error("nothing reached the upstream");
  expect(last.headers.authorization).toBe(`Bearer ${KEY}`);
  expect(JSON.stringify(last.raw_headers) + last.url + last.body.toString()).not.toContain("alk_");
  return last;
}

const customer = (id: string) => ({ id, object: "customer", email: "ada@example.com" });

test("the Stripe SDK, which has no base path, works in direct mode with a token that reaches exactly one key", async () => {
  upstream.answerWith((_request, response) => {
    response.writeHead(200, { "content-type": "application/json", "request-id": "req_1" });
    response.end(JSON.stringify(customer("cus_1")));
  });
  const made = await stripe(one).customers.create({ email: "ada@example.com" }, { idempotencyKey: "once" });
  expect(made.id).toBe("cus_1");
  expect(made.lastResponse.requestId).toBe("req_1");
  const { method, url, headers, body } = seen();
  expect([method, url, body.toString()]).toEqual(["POST", "/v1/customers", "email=ada%40example.com"]);
  expect(headers["idempotency-key"]).toBe("once");
});

test("pages that the Stripe SDK turns by itself all come through direct mode", async () => {
  upstream.answerWith((_request, response, { url }) => {
    const second = url.includes("starting_after=cus_1");
    const page = {
      object: "list",
      url: "/v1/customers",
      has_more: !second,
      data: [customer(second ? "cus_2" : "cus_1")],
    };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(page));
  });
  const ids: string[] = [];
  for await (const { id } of stripe(one).customers.list({ limit: 1 })) ids.push(id);
  expect(ids).toEqual(["cus_1", "cus_2"]);
  expect(seen().url).toBe("/v1/customers?limit=1&starting_after=cus_1");
});

test("a card error keeps its type on the way to the Stripe SDK", async () => {
  upstream.answerWith((_request, response) => {
    const error = { type: "card_error", code: "card_declined", message: "Your card was declined." };
    response.writeHead(402, { "content-type": "application/json" }).end(JSON.stringify({ error }));
  });
  await expect(stripe(one).customers.retrieve("cus_1")).rejects.toBeInstanceOf(Stripe.errors.StripeCardError);
});

test("a token that reaches two keys is refused in direct mode, and nothing is sent anywhere", async () => {
  const before = upstream.seen.length;
  await expect(stripe(both).customers.retrieve("cus_1")).rejects.toMatchObject({ statusCode: 404, code: "not_found" });
  expect(upstream.seen.length).toBe(before);
});

test("a call that we refuse never looks like a success to the Stripe SDK, which goes by the body alone", async () => {
  const forged = stripe(spoiled(one));
  await expect(forged.customers.retrieve("cus_1")).rejects.toBeInstanceOf(Stripe.errors.StripeAuthenticationError);
});

test("an app token as the user of a Basic pair, as Stripe's own curl examples have it, is found", async () => {
  upstream.answerWith((_request, response) => void response.end("{}"));
  const authorization = `Basic ${Buffer.from(`${one}:`).toString("base64")}`;
  const { status } = await fetch(`${locker.proxyOrigin}/v1/balance`, { headers: { authorization } });
  expect(status).toBe(200);
  expect(seen().url).toBe("/v1/balance");
});
