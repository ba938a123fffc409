import { describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import { signInDevice } from "../support/device.ts";
import { begin, newHolder, problemIn, send, type Holder } from "../support/holder.ts";
import { feedOf } from "../support/live.ts";
import { activity, eventually, usualLocker } from "../support/locker.ts";
import { call as callTool } from "../support/mcp.ts";
import { startUpstream } from "../support/upstream.ts";

const locker = await usualLocker();

type Approval = { id: string; url: string; path: string; method: string; host: string; waiting: boolean };

const asking = (policy: object = { ask: {} }) => newHolder(locker, { policy });

/** The question that a call of this path waits for, once it does. */
function waiting(person: Person, path: string): Promise<Approval> {
  return eventually(async () => {
    const { items } = await person.api<{ items: Approval[] }>("GET", "/v1/approvals");
    return items.find((one) => one.path === path && one.waiting);
  });
}

const answer = (person: Person, { id }: Approval, decision: string) =>
  person.api<Approval>("POST", `/v1/approvals/${id}`, { decision });

const vaultOf = ({ token }: Holder) => ({ name: token.slice(10, 34) });

describe("a call that needs a yes", () => {
  it("waits, and goes out whole once its owner has said yes", async () => {
    const holder = await asking();
    const call = holder.call("/v1/charges?n=1", { method: "POST", body: '{"amount":1}' });
    const question = await waiting(holder.person, "/v1/charges");
    expect(question).toMatchObject({ method: "POST", host: new URL(holder.upstream.origin).host });
    expect(holder.upstream.seen).toEqual([]);
    await answer(holder.person, question, "once");
    expect((await call).status).toBe(200);
    expect(holder.upstream.seen).toHaveLength(1);
    expect(holder.upstream.seen[0]).toMatchObject({ method: "POST", url: "/v1/charges?n=1" });
    expect(holder.upstream.seen[0]?.body.toString()).toBe('{"amount":1}');
    expect(await holder.row("/v1/charges")).toMatchObject({ outcome: "ok", subject: question.id });
  });

  it("is refused once its owner has said no, and nothing goes out", async () => {
    const holder = await asking();
    const call = holder.call("/v1/charges", { method: "DELETE" });
    await answer(holder.person, await waiting(holder.person, "/v1/charges"), "no");
    const refused = await call;
    expect(refused.status).toBe(403);
    expect(problemIn(refused)).toMatchObject({ code: "policy_denied", rule: "ask" });
    expect(holder.upstream.seen).toEqual([]);
  });

  it("goes on waiting while the vault sleeps", async () => {
    const holder = await asking();
    const call = holder.call("/sleepy");
    const question = await waiting(holder.person, "/sleepy");
    await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", {
      ...vaultOf(holder),
      webSockets: "hibernate",
    });
    // The connection slept with the vault: one that was lost would take a while to come back.
    const { items } = await holder.person.api<{ items: Approval[] }>("GET", "/v1/approvals");
    expect(items).toMatchObject([{ id: question.id, waiting: true }]);
    await answer(holder.person, question, "once");
    expect((await call).status).toBe(200);
  });

  it("comes back to its question where the connection was lost, as by a deploy", async () => {
    const holder = await asking();
    const call = holder.call("/deployed");
    const question = await waiting(holder.person, "/deployed");
    await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", {
      ...vaultOf(holder),
      webSockets: "close",
    });
    await answer(holder.person, question, "once");
    expect((await call).status).toBe(200);
    expect(holder.upstream.seen).toHaveLength(1);
  });

  it("is charged nothing where its client gave up, and goes out when it comes again after the yes", async () => {
    const holder = await asking({ ask: {}, max_uses: 1 });
    const { asked, answered } = begin(holder, "/patience");
    answered.catch(() => {});
    asked.on("error", () => {});
    asked.end();
    const question = await waiting(holder.person, "/patience");
    asked.socket?.resetAndDestroy();
    await eventually(async () => {
      const { items } = await holder.person.api<{ items: Approval[] }>("GET", "/v1/approvals");
      return items.find(({ id }) => id === question.id)?.waiting === false;
    });
    await answer(holder.person, question, "once");
    expect(holder.upstream.seen).toEqual([]);
    expect((await holder.call("/patience")).status).toBe(200);
    expect(holder.upstream.seen).toHaveLength(1);
  });

  it("is another question when it comes again changed", async () => {
    const holder = await asking();
    const call = holder.call("/pay", { method: "POST", body: "1" });
    const first = await waiting(holder.person, "/pay");
    const changed = holder.call("/pay", { method: "POST", body: "1000000" });
    const second = await eventually(async () => {
      const { items } = await holder.person.api<{ items: Approval[] }>("GET", "/v1/approvals");
      return items.find(({ id }) => id !== first.id);
    });
    await answer(holder.person, first, "once");
    await call;
    expect(holder.upstream.seen.map(({ body }) => body.toString())).toEqual(["1"]);
    await answer(holder.person, second, "no");
    expect((await changed).status).toBe(403);
  });

  it("is asked about on the live feed and by a message with a link", async () => {
    const holder = await asking();
    const hooks = await startUpstream();
    await holder.person.api("POST", "/v1/webhooks", { url: hooks.origin, events: ["approval.requested"] });
    const feed = await feedOf(holder.person);
    const call = holder.call("/told");
    const told = await feed.next(({ type }) => type === "approval");
    expect(told.approval).toMatchObject({ path: "/told", method: "GET" });
    const message = JSON.parse((await eventually(async () => hooks.seen[0])).body.toString()) as { data: Approval };
    expect(message).toMatchObject({ type: "approval.requested", data: { path: "/told" } });
    expect(message.data.url).toBe(`${locker.publicOrigin}/approvals/${message.data.id}`);
    await answer(holder.person, message.data, "once");
    expect(await feed.next(({ type }) => type === "approval")).toMatchObject({ approval: { decision: "once" } });
    await call;
    await hooks.stop();
  });

  it("ends at once when its token is revoked, and when the vault is frozen", async () => {
    const holder = await asking();
    const revoked = holder.call("/revoked");
    await waiting(holder.person, "/revoked");
    await holder.person.api("DELETE", `/v1/tokens/${holder.token_id}`);
    expect((await revoked).status).toBe(401);
    const other = await asking();
    const frozen = other.call("/frozen");
    await waiting(other.person, "/frozen");
    await other.person.api("POST", "/v1/vault/freeze");
    expect((await frozen).status).toBe(423);
    expect([...holder.upstream.seen, ...other.upstream.seen]).toEqual([]);
  });

  it("is a device's too, by the proxy and by MCP, where its person has chosen so on the page that let it in", async () => {
    const { person, upstream, base } = await asking({});
    const laptop = await signInDevice(locker, person, { ask: "changes" });
    expect(await person.api("GET", `/v1/devices/${laptop.id}`)).toMatchObject({ ask: { methods: expect.any(Array) } });
    const headers = { authorization: `Bearer ${laptop.token}` };
    expect((await send(`${base}/read`, { headers })).status).toBe(200);
    const call = send(`${base}/write`, { method: "POST", headers });
    await answer(person, await waiting(person, "/write"), "once");
    expect((await call).status).toBe(200);
    const client = { url: `${locker.publicOrigin}/v1/mcp`, token: laptop.token };
    const used = callTool(client, "proxy_request", { key: "api", method: "POST", path: "/by-mcp" });
    await answer(person, await waiting(person, "/by-mcp"), "no");
    expect((await used).error).toMatchObject({ code: "policy_denied" });
    expect(upstream.seen.map(({ url }) => url)).toEqual(["/read", "/write"]);
  });

  it("is asked about no more once somebody has said always, and the policy says so", async () => {
    const holder = await asking();
    const call = holder.call("/always", { method: "POST", body: "1" });
    await answer(holder.person, await waiting(holder.person, "/always"), "always");
    await call;
    expect((await holder.call("/always", { method: "POST", body: "2" })).status).toBe(200);
    const { policy } = await holder.person.api<{ policy: object }>("GET", `/v1/tokens/${holder.token_id}`);
    const { host } = new URL(holder.upstream.origin);
    expect(policy).toMatchObject({ ask: { allowed: [{ key: holder.key.id, host, method: "POST", path: "/always" }] } });
    const rows = await activity(holder.person);
    expect(rows.filter(({ action }) => action === "approval.ask")).toHaveLength(1);
  });
});
