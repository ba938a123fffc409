import { describe, expect, it, onTestFinished } from "vitest";
import { Webhook as Verifier } from "standardwebhooks";
import { readConfig } from "../../src/config.ts";
import type { Person } from "../../src/local/person.ts";
import { mayBeTold } from "../../src/vault/alerts/public_host.ts";
import { eventually, mintToken, newPerson, usualLocker } from "../support/locker.ts";
import { signedInLongAgo } from "../support/session.ts";
import { startUpstream } from "../support/upstream.ts";

const locker = await usualLocker();

type Created = { id: string; secret: string; state: string };
const create = (person: Person, url: string) => person.api<Created>("POST", "/v1/webhooks", { url });
const post = (person: Person, path: string, body: object = {}) =>
  person.fetch(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });

async function receiver() {
  const upstream = await startUpstream();
  onTestFinished(() => upstream.stop());
  return upstream;
}

describe("an address that messages may be sent to", () => {
  const config = readConfig({
    PUBLIC_ORIGIN: "https://locker.example.com",
    PROXY_ORIGIN: "https://proxy.example.net",
    ROOT_KEYS: `r1:${"A".repeat(43)}=`,
    TOKEN_KEYS: `t1:${"B".repeat(42)}A=`,
  });
  const may = (url: string) => mayBeTold(config, new URL(url));

  it.each([
    "http://hooks.example.com/",
    "https://localhost/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://10.1.2.3/",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fd00::1]/",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://intranet/",
    "https://127.0.0.1.nip.io/",
    "https://app.10.0.0.1.nip.io/",
    "https://10-0-0-1.sslip.io/",
    "https://www-192-168-0-1.sslip.io/",
    "https://7f000001.nip.io/",
    "https://localtest.me/",
    "https://x.lvh.me/",
    "https://locker.example.com/",
    "https://locker.example.com./v1/keys",
    "https://proxy.example.net/v1/proxy/k",
    "ftp://hooks.example.com/",
  ])("is never %s", (url) => {
    expect(may(url)).toBe(false);
  });

  it.each([
    "https://hooks.example.com/",
    "https://hooks.example.com:8443/in?key=1",
    "https://93.184.216.34/",
    "https://8-8-8-8.hosting.com/",
    "https://v1-2-3-4.example.com/",
  ])("may be %s", (url) => {
    expect(may(url)).toBe(true);
  });

  it("is judged when it is given, also for what is no address at all", async () => {
    const ada = await newPerson(locker);
    for (const url of [
      "nonsense",
      "javascript:alert(1)",
      "https://user:pass@hooks.example.com/",
      "https://hooks.example.com/#part",
      "https://hooks.example.com\\@evil.example.com/",
      `${locker.publicOrigin}/v1/keys`,
      `${locker.proxyOrigin}/v1/proxy/k/x`,
      `https://hooks.example.com/${"x".repeat(2_100)}`,
    ]) {
      const answer = await post(ada, "/v1/webhooks", { url });
      expect(answer.status, url).toBe(422);
    }
  });
});

describe("who may set webhooks", () => {
  it("only somebody who has just signed in, and to delete them too", async () => {
    const ada = await newPerson(locker);
    const { id } = await create(ada, "https://hooks.example.com/");
    await signedInLongAgo(locker, ada);
    expect((await post(ada, "/v1/webhooks", { url: "https://hooks.example.com/" })).status).toBe(403);
    expect((await ada.fetch(`/v1/webhooks/${id}`, { method: "DELETE" })).status).toBe(403);
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/webhooks")).items).toHaveLength(1);
  });

  it("nobody of another account", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    const { id } = await create(ada, "https://hooks.example.com/");
    expect((await eve.fetch(`/v1/webhooks/${id}`, { method: "DELETE" })).status).toBe(404);
    expect((await post(eve, `/v1/webhooks/${id}/test`)).status).toBe(404);
    expect((await eve.fetch(`/v1/webhooks/${id}/deliveries`)).status).toBe(404);
    expect((await post(eve, `/v1/webhooks/${id}/deliveries/msg_1/redeliver`)).status).toBe(404);
    expect((await eve.api<{ items: unknown[] }>("GET", "/v1/webhooks")).items).toEqual([]);
  });

  it("and the secret is shown once", async () => {
    const ada = await newPerson(locker);
    const { secret } = await create(ada, "https://hooks.example.com/");
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const texts = await Promise.all(
      ["/v1/webhooks", "/v1/activity", "/v1/me/export"].map(async (path) => (await ada.fetch(path)).text()),
    );
    for (const text of texts) expect(text).not.toContain(secret.slice(6));
  });
});

describe("a hostile receiver", () => {
  it("that redirects to a private address is not followed", async () => {
    const ada = await newPerson(locker);
    const [inside, outside] = [await receiver(), await receiver()];
    outside.answerWith((_request, answer) => void answer.writeHead(307, { location: `${inside.origin}/steal` }).end());
    const { id } = await create(ada, outside.origin);
    expect(await (await post(ada, `/v1/webhooks/${id}/test`)).json()).toMatchObject({ taken: false, status: 307 });
    expect(inside.seen).toEqual([]);
  });

  it("that answers without end costs a few bytes, and none of it is told", async () => {
    const ada = await newPerson(locker);
    const huge = await receiver();
    huge.answerWith((_request, answer) => {
      answer.writeHead(500, { "content-type": "text/plain" });
      const more = () => {
        while (!answer.destroyed && answer.write("x".repeat(65_536)));
      };
      answer.on("drain", more);
      more();
    });
    const { id } = await create(ada, huge.origin);
    const told = await (await post(ada, `/v1/webhooks/${id}/test`)).text();
    expect(told).not.toContain("xxx");
    expect(JSON.parse(told)).toMatchObject({ taken: false, status: 500 });
    await eventually(async () => huge.left > 0);
  });

  it("that says nothing is left after ten seconds, and the vault answers others meanwhile", async () => {
    const ada = await newPerson(locker);
    const slow = await receiver();
    slow.answerWith(() => {});
    const { id } = await create(ada, slow.origin);
    const test = post(ada, `/v1/webhooks/${id}/test`).then((answer) => answer.json());
    await eventually(async () => slow.seen.length > 0);
    await mintToken(ada);
    expect(await test).toMatchObject({ taken: false, detail: expect.stringContaining("ten seconds") });
    await eventually(async () => slow.left > 0);
  });
});

describe("a message", () => {
  it("comes by itself, signed, when a token is revoked", async () => {
    const ada = await newPerson(locker);
    const hooks = await receiver();
    const { id: hook_id, secret } = await create(ada, `${hooks.origin}/in`);
    const { id } = await mintToken(ada);
    await ada.api("DELETE", `/v1/tokens/${id}`);
    const seen = await eventually(async () => hooks.seen[0]);
    const told = new Verifier(secret).verify(seen.body.toString(), seen.headers as Record<string, string>);
    expect(told).toMatchObject({ type: "revocation", data: { action: "token.revoke", subject: id } });
    expect(seen.headers.cookie).toBeUndefined();
    expect(seen.headers.authorization).toBeUndefined();
    await eventually(async () => {
      const { items } = await ada.api<{ items: { waiting: number; last_status: number }[] }>("GET", "/v1/webhooks");
      return items[0]?.waiting === 0 && items[0].last_status === 200;
    });
    // What became of it is told to its owner, without what it said; it goes out again under the same id.
    const text = await (await ada.fetch(`/v1/webhooks/${hook_id}/deliveries`)).text();
    expect(text).not.toContain(id);
    const { items } = JSON.parse(text) as { items: { id: string }[] };
    expect(items).toMatchObject([{ event: "revocation", state: "taken", attempts: 1, last_status: 200 }]);
    const again = await post(ada, `/v1/webhooks/${hook_id}/deliveries/${items[0]?.id}/redeliver`);
    expect(await again.json()).toMatchObject({ taken: true, status: 200 });
    expect(hooks.seen.map(({ headers }) => headers["webhook-id"])).toEqual([items[0]?.id, items[0]?.id]);
  });
});
