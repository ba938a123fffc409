import { afterEach, describe, expect, it, vi } from "vitest";
import { Webhook as Verifier } from "standardwebhooks";
import { ask } from "../../src/vault/answer.ts";
import type { NewAlert } from "../../src/vault/alerts/alerts.ts";
import type { Parts } from "../../src/vault/parts.ts";
import { raiseAlert } from "../../src/vault/alerts/raise.ts";
import { held } from "../../src/vault/surface.ts";
import type { WebhookEvent } from "../../src/vault/alerts/kinds.ts";
import {
  type Vault,
  evict,
  inside,
  mintApp,
  newVault,
  outbox,
  refusalOf,
  runAlarm,
  runAlarmAfter,
  sql,
  storeKey,
  travel,
} from "../support/vault.ts";

afterEach(async () => {
  // What a vault of this test still wants to send must not reach the next one's receivers.
  for (const vault of vaults.splice(0)) await sql(vault, "DELETE FROM webhook");
});

const vaults: Vault[] = [];

const ADDRESS = "https://hooks.example.com/in?key=1";
const HOUR_MS = 3_600_000;

type Sent = { url: string; id: string; body: string; headers: Headers; init: RequestInit };

/** Receivers as the network would be: what was sent, answered as the test says. */
function receivers(
  answer: (sent: Sent, nth: number) => Response | Promise<Response> = () => new Response("ok"),
): Sent[] {
  const all: Sent[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (url, init = {}) => {
    const headers = new Headers(init.headers);
    const sent = { url: url as string, id: headers.get("webhook-id") ?? "", body: init.body as string, headers, init };
    all.push(sent);
    return answer(sent, all.length);
  });
  return all;
}

function hook(vault: Vault, events: WebhookEvent[] | null = null, url = ADDRESS) {
  vaults.push(vault);
  return ask(vault.stub.createWebhook(vault.ada, url, events));
}
const raise = (vault: Vault, subject = "tok_1", kind: NewAlert["kind"] = "volume") =>
  inside(vault, (object) => raiseAlert(object[held] as Parts, { kind, subject }));
const list = ({ stub, ada }: Vault) => ask(stub.listWebhooks(ada));
const waiting = async (vault: Vault) => (await list(vault)).map((one) => one.waiting);

describe("a message", () => {
  it("is signed so that the library of Standard Webhooks verifies it", async () => {
    const vault = await newVault();
    const sent = receivers();
    const { secret } = await hook(vault);
    await raise(vault);
    await runAlarm(vault);
    const [message] = sent;
    const payload = new Verifier(secret).verify(message?.body ?? "", Object.fromEntries(message?.headers ?? []));
    expect(payload).toMatchObject({
      type: "alert.raised",
      timestamp: expect.stringMatching(/Z$/),
      data: { kind: "volume", subject: "tok_1", link: "http://localhost:8420/alerts" },
    });
    const forged = (message?.body ?? "").replace("tok_1", "tok_2");
    expect(() => new Verifier(secret).verify(forged, Object.fromEntries(message?.headers ?? []))).toThrow();
    expect(await waiting(vault)).toEqual([0]);
  });

  it("comes once for an alert, however often it is counted", async () => {
    const vault = await newVault();
    const sent = receivers();
    await hook(vault);
    for (let i = 0; i < 5; i++) await raise(vault);
    await runAlarm(vault);
    expect(sent).toHaveLength(1);
  });

  it("tells of revocations, and nothing that nobody asked for", async () => {
    const vault = await newVault();
    const sent = receivers();
    await hook(vault, ["revocation"]);
    await storeKey(vault, "k");
    const { id } = await mintApp(vault);
    await raise(vault);
    await ask(vault.stub.revokeToken(vault.ada, id));
    await ask(vault.stub.deleteKey(vault.ada, "k"));
    await runAlarm(vault);
    expect(sent.map(({ body }) => (JSON.parse(body) as { data: { action: string } }).data.action)).toEqual([
      "token.revoke",
      "key.delete",
    ]);
  });

  it("goes nowhere by itself: not followed, not cached, ten seconds at most", async () => {
    const vault = await newVault();
    const sent = receivers();
    await hook(vault);
    await raise(vault);
    await runAlarm(vault);
    expect(sent[0]?.init).toMatchObject({ method: "POST", redirect: "manual", cache: "no-store" });
    expect(sent[0]?.init.signal).toBeInstanceOf(AbortSignal);
    expect([...new Headers(sent[0]?.init.headers).keys()].toSorted()).toEqual([
      "content-type",
      "user-agent",
      "webhook-id",
      "webhook-signature",
      "webhook-timestamp",
    ]);
  });
});

describe("a receiver that fails", () => {
  it("is asked again with the same id and body, later each time, and well again after one success", async () => {
    const vault = await newVault();
    const sent = receivers((_sent, nth) => new Response(null, { status: nth <= 3 ? 500 : 200 }));
    await hook(vault);
    await raise(vault);
    await runAlarm(vault);
    const waits: number[] = [];
    while (sent.length < 4) {
      const due =
        (await sql<{ due_at: number }>(vault, "SELECT due_at FROM job WHERE name = 'deliver'"))[0]?.due_at ?? 0;
      waits.push(Math.round((due - Date.now()) / 1_000));
      await runAlarmAfter(vault, due - Date.now());
    }
    expect(waits).toEqual([5, 30, 120]);
    expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
    expect(new Set(sent.map(({ body }) => body)).size).toBe(1);
    expect(await list(vault)).toMatchObject([{ waiting: 0, failures: 0, failing_since: null, last_status: 200 }]);
  });

  it.each([
    ["redirects", () => new Response(null, { status: 307, headers: { location: "https://elsewhere.example.com" } })],
    ["cannot be reached", () => Promise.reject(new TypeError("network"))],
    [
      "answers without end",
      () => new Response(new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(65_536)) }), { status: 503 }),
    ],
  ])("because it %s is one that has not taken it", async (_how, answer) => {
    vi.spyOn(console, "error").mockReturnValue();
    const vault = await newVault();
    const sent = receivers(answer);
    await hook(vault);
    await raise(vault);
    await runAlarm(vault);
    expect(sent).toHaveLength(1);
    expect(await list(vault)).toMatchObject([{ waiting: 1, failures: 1 }]);
  });

  it("holds up no other receiver", async () => {
    const vault = await newVault();
    const sent = receivers(({ url }) => new Response(null, { status: url.includes("bad") ? 500 : 200 }));
    await hook(vault, null, "https://bad.example.com/");
    await hook(vault, null, "https://good.example.com/");
    for (let i = 0; i < 3; i++) await raise(vault, `tok_${i}`);
    await runAlarm(vault);
    expect(sent.filter(({ url }) => url.includes("good"))).toHaveLength(3);
    expect(sent.filter(({ url }) => url.includes("bad"))).toHaveLength(1);
  });

  it("is given up after a day, with an alert that others hear of", async () => {
    const vault = await newVault();
    const sent = receivers(({ url }) => new Response(null, { status: url.includes("bad") ? 500 : 200 }));
    await hook(vault, null, "https://bad.example.com/");
    await hook(vault, ["alert.raised"], "https://good.example.com/");
    await raise(vault);
    await runAlarm(vault);
    for (let hour = 0; hour < 25; hour++) await runAlarmAfter(vault, HOUR_MS);
    await runAlarm(vault);
    expect(await list(vault)).toMatchObject([{ dead_at: null }, { dead_at: expect.any(Number), waiting: 0 }]);
    const heard = sent
      .filter(({ url }) => url.includes("good"))
      .map(({ body }) => JSON.parse(body) as { data: object });
    expect(heard.at(-1)?.data).toMatchObject({ kind: "webhook_dead", name: "bad.example.com" });
    const before = sent.length;
    await raise(vault, "tok_2");
    await runAlarm(vault);
    expect(sent.slice(before).every(({ url }) => url.includes("good"))).toBe(true);
  });

  it("and says that it is gone is given up at once", async () => {
    const vault = await newVault();
    receivers(() => new Response(null, { status: 410 }));
    await hook(vault);
    await raise(vault);
    await runAlarm(vault);
    expect(await list(vault)).toMatchObject([{ dead_at: expect.any(Number) }]);
  });
});

describe("what waits", () => {
  it("outlives a sleep, and a crash after the sending only sends the same again", async () => {
    const vault = await newVault();
    const sent = receivers();
    await hook(vault);
    await raise(vault);
    const [before] = await sql(vault, "SELECT * FROM delivery");
    await evict(vault);
    await runAlarm(vault);
    // As if the object had died before it noted that the message was taken.
    const values = Object.values(before ?? {}) as SqlStorageValue[];
    await sql(vault, `INSERT INTO delivery VALUES (${values.map(() => "?").join()})`, ...values);
    await evict(vault);
    await raise(vault, "tok_2");
    await runAlarm(vault);
    expect(sent).toHaveLength(3);
    expect(sent[1]?.id).toBe(sent[0]?.id);
  });

  it("is a thousand messages at most, the newest", async () => {
    const vault = await newVault();
    await hook(vault, ["alert.raised"]);
    await inside(vault, (object) => {
      for (let i = 0; i < 1_010; i++) raiseAlert(object[held] as Parts, { kind: "volume", subject: `tok_${i}` });
    });
    expect(await waiting(vault)).toEqual([1_000]);
    const [last] = await sql<{ body: string }>(vault, "SELECT body FROM delivery ORDER BY id DESC LIMIT 1");
    expect(last?.body).toContain("tok_1009");
  });

  it("is gone with its webhook", async () => {
    const vault = await newVault();
    const sent = receivers();
    const { webhook } = await hook(vault);
    await raise(vault);
    await ask(vault.stub.deleteWebhook(vault.ada, webhook.id));
    await runAlarm(vault);
    expect(sent).toEqual([]);
    expect(await sql(vault, "SELECT 1 FROM delivery")).toEqual([]);
  });
});

describe("what was sent", () => {
  const deliveries = async (vault: Vault, id: string, before?: string, limit = 200) =>
    ask(vault.stub.listDeliveries(vault.ada, id, before, limit));

  it("is on record with how it went, newest first, without what it said", async () => {
    const vault = await newVault();
    receivers((_sent, nth) => new Response(null, { status: nth === 1 ? 500 : 204 }));
    const { webhook } = await hook(vault);
    await raise(vault);
    await runAlarm(vault);
    expect(await deliveries(vault, webhook.id)).toMatchObject([
      { event: "alert.raised", state: "waiting", attempts: 1, last_status: 500, due_at: expect.any(Number) },
    ]);
    await runAlarmAfter(vault, 5_000);
    await ask(vault.stub.testWebhook(vault.ada, webhook.id));
    const all = await deliveries(vault, webhook.id);
    expect(all).toMatchObject([
      { event: "test", state: "taken", attempts: 1, last_status: 204, detail: "It was taken.", due_at: null },
      { event: "alert.raised", state: "taken", attempts: 2, last_status: 204, due_at: null },
    ]);
    expect(Object.keys(all[0] ?? {})).not.toContain("body");
    expect(await deliveries(vault, webhook.id, all[0]?.id)).toEqual(all.slice(1));
    expect(await deliveries(vault, webhook.id, undefined, 1)).toEqual(all.slice(0, 1));
  });

  it("is remembered for the last hundred of each webhook", async () => {
    const vault = await newVault();
    receivers();
    const { webhook } = await hook(vault);
    const { webhook: other } = await hook(vault, ["vault.frozen"]);
    await ask(vault.stub.testWebhook(vault.ada, other.id));
    for (let i = 0; i < 105; i++) await raise(vault, `tok_${i}`);
    for (let i = 0; i < 105; i++) await runAlarm(vault);
    expect(await waiting(vault)).toEqual([0, 0]);
    const bodies = await sql<{ body: string }>(
      vault,
      "SELECT body FROM past_delivery WHERE webhook_id = ? ORDER BY id",
      webhook.id,
    );
    expect(bodies).toHaveLength(100);
    expect([bodies[0]?.body, bodies.at(-1)?.body]).toEqual([
      expect.stringContaining('"tok_5"'),
      expect.stringContaining('"tok_104"'),
    ]);
    expect(await deliveries(vault, other.id)).toHaveLength(1);
  });

  it("is sent again with the same id and body, and brings a receiver back that was given up", async () => {
    const vault = await newVault();
    let status = 410;
    const sent = receivers(() => new Response(null, { status }));
    const { webhook } = await hook(vault);
    await raise(vault);
    await raise(vault, "tok_2");
    await runAlarm(vault);
    expect(await list(vault)).toMatchObject([{ dead_at: expect.any(Number), waiting: 0 }]);
    const [unsent, gone] = await deliveries(vault, webhook.id);
    expect([unsent, gone]).toMatchObject([
      { state: "given_up", attempts: 0, last_status: null },
      { state: "given_up", attempts: 1, last_status: 410 },
    ]);
    const again = () => ask(vault.stub.redeliver(vault.ada, webhook.id, gone?.id ?? ""));
    expect(await again()).toMatchObject({ taken: false, status: 410 });
    expect(await list(vault)).toMatchObject([{ dead_at: expect.any(Number) }]);
    status = 200;
    expect(await again()).toMatchObject({ taken: true, status: 200 });
    expect(new Set(sent.map(({ id, body }) => id + body)).size).toBe(1);
    expect((await deliveries(vault, webhook.id))[1]).toMatchObject({ state: "taken", attempts: 3 });
    expect(await list(vault)).toMatchObject([{ dead_at: null, failing_since: null }]);
    status = 500;
    await again();
    expect((await deliveries(vault, webhook.id))[1], "taken once is taken").toMatchObject({
      state: "taken",
      last_status: 500,
    });
    expect((await outbox(vault)).map(({ decision }) => decision.action)).toContain("webhook.redeliver");
  });

  it("and waits is sent at once when its owner says so, and then waits no more", async () => {
    const vault = await newVault();
    let status = 500;
    const sent = receivers(() => new Response(null, { status }));
    const { webhook } = await hook(vault);
    await raise(vault);
    await runAlarm(vault);
    const [message] = await deliveries(vault, webhook.id);
    status = 200;
    await ask(vault.stub.redeliver(vault.ada, webhook.id, message?.id ?? ""));
    expect(await waiting(vault)).toEqual([0]);
    await runAlarmAfter(vault, HOUR_MS);
    expect(sent).toHaveLength(2);
    expect(await deliveries(vault, webhook.id)).toMatchObject([{ state: "taken", attempts: 2 }]);
  });

  it("is nobody else's to see or to send: another webhook's, another vault's", async () => {
    const vault = await newVault();
    const eve = await newVault();
    const sent = receivers();
    const { webhook } = await hook(vault);
    const { webhook: second } = await hook(vault);
    await ask(vault.stub.testWebhook(vault.ada, webhook.id));
    const [message] = await deliveries(vault, webhook.id);
    expect(await deliveries(vault, second.id)).toEqual([]);
    expect(await refusalOf(ask(vault.stub.redeliver(vault.ada, second.id, message?.id ?? "")))).toBe("not_found");
    expect(await refusalOf(ask(eve.stub.listDeliveries(eve.ada, webhook.id, undefined, 10)))).toBe("not_found");
    expect(await refusalOf(ask(eve.stub.redeliver(eve.ada, webhook.id, message?.id ?? "")))).toBe("not_found");
    expect(sent).toHaveLength(1);
  });

  it("is gone with its webhook", async () => {
    const vault = await newVault();
    receivers();
    const { webhook } = await hook(vault);
    await ask(vault.stub.testWebhook(vault.ada, webhook.id));
    await ask(vault.stub.deleteWebhook(vault.ada, webhook.id));
    expect(await sql(vault, "SELECT 1 FROM past_delivery")).toEqual([]);
  });
});

describe("a webhook's secret", () => {
  it("is nowhere in the vault's tables", async () => {
    const vault = await newVault();
    const { secret } = await hook(vault);
    const text = Buffer.from(secret.slice("whsec_".length), "base64");
    const tables = await sql<{ name: string }>(
      vault,
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
    );
    for (const { name } of tables) {
      for (const row of await sql(vault, `SELECT * FROM "${name}"`)) {
        for (const value of Object.values(row)) {
          const stored = value instanceof ArrayBuffer ? Buffer.from(new Uint8Array(value)) : Buffer.from(String(value));
          expect([stored.indexOf(text), stored.indexOf(secret)], name).toEqual([-1, -1]);
        }
      }
    }
  });

  it("is another for every webhook", async () => {
    const vault = await newVault();
    expect((await hook(vault)).secret).not.toBe((await hook(vault)).secret);
  });
});

describe("webhooks", () => {
  it("are ten at most", async () => {
    const vault = await newVault();
    for (let i = 0; i < 10; i++) await hook(vault);
    expect(await refusalOf(hook(vault))).toBe("conflict");
  });

  it("are sent to one at a time", async () => {
    const vault = await newVault();
    let under_way = 0;
    let most = 0;
    receivers(async () => {
      most = Math.max(most, ++under_way);
      await scheduler.wait(5);
      under_way--;
      return new Response("ok");
    });
    const { webhook } = await hook(vault);
    await hook(vault);
    for (let i = 0; i < 3; i++) await raise(vault, `tok_${i}`);
    await Promise.all([
      runAlarm(vault),
      ...Array.from({ length: 3 }, () => ask(vault.stub.testWebhook(vault.ada, webhook.id))),
    ]);
    expect(most).toBe(1);
  });
});

describe("what ends soon", () => {
  it("is told a week before, once, also where nobody has called since", async () => {
    const vault = await newVault();
    const expires_at = Date.now() + 30 * 24 * HOUR_MS;
    await mintApp(vault, { expires_at });
    await mintApp(vault, { expires_at: Date.now() + HOUR_MS });
    await runAlarmAfter(vault, 10_000);
    await runAlarm(vault);
    const alerts = () => ask(vault.stub.listAlerts(vault.ada, undefined, 10, { kind: "expiring" }));
    expect(await alerts()).toEqual([]);
    await evict(vault);
    travel(24 * 24 * HOUR_MS);
    await evict(vault);
    await runAlarm(vault);
    const [told] = await alerts();
    expect(told).toMatchObject({
      kind: "expiring",
      name: "app",
      facts: { expires_at: new Date(expires_at).toISOString() },
    });
    await ask(vault.stub.acknowledgeAlert(vault.ada, told?.id ?? ""));
    await runAlarmAfter(vault, 10_000);
    await runAlarm(vault);
    expect(await alerts()).toHaveLength(1);
  });
});
