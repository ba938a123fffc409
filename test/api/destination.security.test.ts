import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newPerson, startLocker } from "../support/locker.ts";

let locker: LocalLocker;
let ada: Person;

beforeAll(async () => {
  // As in a deployment: only public https upstreams.
  locker = await startLocker({ vars: { ALLOW_PRIVATE_UPSTREAMS: "false" } });
  ada = await newPerson(locker);
});
afterAll(() => locker.stop());

async function store(base_url: string, name = `k-${Math.random().toString(36).slice(2)}`) {
  const body = JSON.stringify({ name, provider: "custom", secret: "sk-1234567890", base_url });
  const response = await ada.fetch("/v1/keys", {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });
  return { status: response.status, body: await response.json<{ errors?: { field: string }[]; base_url?: string }>() };
}

describe("an upstream that is no public https address is refused when the key is stored", () => {
  it.each([
    "http://api.example.com",
    "ftp://api.example.com",
    "https://localhost",
    "https://localhost.",
    "https://localhost..",
    "https://127.0.0.1",
    "https://127.1",
    "https://0x7f000001",
    "https://2130706433",
    "https://017700000001",
    "https://①②⑦.⓪.⓪.①",
    "https://0",
    "https://10.0.0.1",
    "https://172.16.0.1",
    "https://192.168.1.1",
    "https://100.64.0.1",
    "https://169.254.169.254",
    "https://224.0.0.1",
    "https://255.255.255.255",
    "https://[::1]",
    "https://[::]",
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:7f00:1]",
    "https://[::7f00:1]",
    "https://[64:ff9b::7f00:1]",
    "https://[2002:7f00:1::]",
    "https://[fe80::1]",
    "https://[fc00::1]",
    "https://metadata.google.internal",
    "https://x.internal..",
    "https://printer.local",
    "https://db.svc.cluster.local",
    "https://router.localdomain",
    "https://intranet",
    "https://*.example.org",
    "https://api.example.org,evil.example.org",
    "https://user:pass@api.stripe.com",
    "https://api.stripe.com\\@evil.example.org",
    "https://api.stripe.com/a/../b?x=1",
    "https://api.stripe.com/%2e%2e/b",
    "https://api.stripe.com/#x",
    "https://api.stripe.com/a//b",
    "https://api.stripe.com/a;b",
    "//api.stripe.com",
    "api.stripe.com",
    "",
  ])("%s", async (base_url) => {
    const { status, body } = await store(base_url);
    expect(status).toBe(422);
    expect(body.errors?.map(({ field }) => field)).toContain("base_url");
  });
});

it.each([
  ["https://api.stripe.com", "https://api.stripe.com"],
  ["https://API.Stripe.com/", "https://api.stripe.com"],
  ["https://api.groq.com/openai/v1/", "https://api.groq.com/openai/v1"],
  ["https://1.1.1.1", "https://1.1.1.1"],
  ["https://[2606:4700:4700::1111]:8443", "https://[2606:4700:4700::1111]:8443"],
  ["https://bücher.example.org", "https://xn--bcher-kva.example.org"],
])("%s is kept as %s", async (given, kept) => {
  expect(await store(given)).toMatchObject({ status: 201, body: { base_url: kept } });
});
