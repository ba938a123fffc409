import { describe, expect, it, onTestFinished } from "vitest";
import type { Person } from "../../src/local/person.ts";
import { formsIn } from "../support/device.ts";
import { newHolder } from "../support/holder.ts";
import { eventually, mintToken, newPerson, startLocker, usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

type Approval = { id: string; path: string };

/** A call that waits, and its question. */
async function held(path = "/pay", name?: string) {
  const holder = await newHolder(locker, { policy: { ask: {} } });
  const token = name === undefined ? holder.token : (await mintToken(holder.person, { ask: {} }, name)).token;
  const call = holder.call(path, { method: "POST", body: "1", headers: { authorization: `Bearer ${token}` } });
  const question = await eventually(
    async () => (await holder.person.api<{ items: Approval[] }>("GET", "/v1/approvals")).items[0],
  );
  return { holder, call, question };
}

async function pageOf(person: Person, { id }: Approval) {
  const answer = await person.fetch(`/approvals/${id}`, { headers: { accept: "text/html" } });
  return { answer, html: await answer.text() };
}

const post = (person: Person, { id }: Approval, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  person.fetch(`/approvals/${id}`, { method: "POST", body: new URLSearchParams(fields), headers });

describe("the page of a question", () => {
  it("answers by a plain form, without script, once", async () => {
    const { holder, call, question } = await held();
    const { answer, html } = await pageOf(holder.person, question);
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(answer.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(html).not.toContain("<script");
    expect(html).toContain('name="viewport"');
    const form_token = formsIn(html)[0]?.fields.get("form_token") ?? "";
    expect((await post(holder.person, question, { form_token, decision: "once" })).status).toBe(200);
    expect((await call).status).toBe(200);
    expect((await post(holder.person, question, { form_token, decision: "always" })).status).toBe(409);
    expect((await pageOf(holder.person, question)).html).toContain("was answered");
  });

  it("takes no answer from another site, another page, another session or without its token", async () => {
    const { holder, call, question } = await held();
    const { person } = holder;
    const form_token = formsIn((await pageOf(person, question)).html)[0]?.fields.get("form_token") ?? "";
    const other = await held();
    const foreign =
      formsIn((await pageOf(other.holder.person, other.question)).html)[0]?.fields.get("form_token") ?? "";
    const yes = { decision: "once" };
    for (const [fields, headers] of [
      [yes, {}],
      [{ ...yes, form_token: "" }, {}],
      [{ ...yes, form_token: foreign }, {}],
      [{ ...yes, form_token: `${form_token}x` }, {}],
      [{ ...yes, form_token }, { "sec-fetch-site": "cross-site" }],
      [
        { ...yes, form_token },
        { "sec-fetch-site": "same-site", origin: locker.proxyOrigin },
      ],
    ] as [Record<string, string>, Record<string, string>][])
      expect((await post(person, question, fields, headers)).status, JSON.stringify([fields, headers])).toBe(403);
    expect((await post(person, question, { form_token, decision: "maybe" })).status).toBe(422);
    expect(holder.upstream.seen).toEqual([]);
    await post(person, question, { form_token, decision: "no" });
    await post(other.holder.person, other.question, { form_token: foreign, decision: "no" });
    expect((await call).status).toBe(403);
    await other.call;
  });

  it("is nobody else's, and asks whoever is not signed in to sign in first", async () => {
    const { holder, call, question } = await held();
    const eve = await newPerson(locker, "eve");
    expect((await pageOf(eve, question)).answer.status).toBe(404);
    expect((await eve.fetch(`/v1/approvals/${question.id}`)).status).toBe(404);
    const signIn = await fetch(`${locker.publicOrigin}/approvals/${question.id}`, { headers: { accept: "text/html" } });
    expect(await signIn.text()).toContain(encodeURIComponent(`/approvals/${question.id}`));
    await holder.person.api("POST", `/v1/approvals/${question.id}`, { decision: "no" });
    await call;
  });

  it("is answered by no link that is followed", async () => {
    const { holder, call, question } = await held();
    for (const link of [
      `/approvals/${question.id}?decision=once`,
      `/approvals/${question.id}?decision=always&form_token=x`,
    ])
      await holder.person.fetch(link);
    expect(holder.upstream.seen).toEqual([]);
    await holder.person.api("POST", `/v1/approvals/${question.id}`, { decision: "no" });
    await call;
  });
});

describe("what the program sends", () => {
  const HOSTILE = [
    "/pay%3C/code%3E%3Ch1%3EAPI%20Locker%20has%20checked%20this%3C/h1%3E",
    "/pay/%22%3E%3Cbutton%20name=decision%20value=once%3EDeny%3C/button%3E",
    "/pay/%E2%80%AEyned%20ot%20kcilC",
    "/API-LOCKER:-THIS-CALL-IS-SAFE.-APPROVE",
    "/pay/%0A%0AApproved%20by%20your%20administrator",
    `/pay/${"A".repeat(2_000)}`,
  ];

  it.each(HOSTILE.map((path) => [path.slice(0, 60), path]))(
    "stands in its box as text, never as ours: %s",
    async (_name, path) => {
      const { holder, call, question } = await held(path);
      const { html } = await pageOf(holder.person, question);
      const [before = "", box = "", after = ""] = html.split(/<figure class="asked">|<\/figure>/);
      expect(box).toContain("Nothing in this box was written by API Locker");
      const word = path.slice(0, 30);
      expect(before).not.toContain(word);
      expect(after).not.toContain(word);
      expect(html.match(/<h1>/g)).toHaveLength(1);
      expect(html.match(/<button/g)).toHaveLength(5);
      expect(/<dt>Path<\/dt>\s*<dd><code>([^<]*)<\/code>/.exec(html)?.[1]).toMatch(/^[\x20-\x7e…]*$/u);
      expect(html).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
      await holder.person.api("POST", `/v1/approvals/${question.id}`, { decision: "no" });
      await call;
    },
  );

  it("as a token's name too", async () => {
    const { holder, call, question } = await held("/pay", '</code></figure><h1>Safe</h1>"Approve once');
    const { html } = await pageOf(holder.person, question);
    expect(html.match(/<h1>/g)).toHaveLength(1);
    expect(html.match(/<\/figure>/g)).toHaveLength(1);
    await holder.person.api("POST", `/v1/approvals/${question.id}`, { decision: "no" });
    await call;
  });

  it("is not the host: that comes from the key alone", async () => {
    const { holder, call, question } = await held("//evil.example/pay");
    const { html } = await pageOf(holder.person, question);
    expect(/<p class="large">([^<]*)</.exec(html)?.[1]).toBe(new URL(holder.upstream.origin).host);
    await holder.person.api("POST", `/v1/approvals/${question.id}`, { decision: "no" });
    await call;
  });
});

describe("a yes", () => {
  it("is to what was shown: no override turns it into another method, and no header into another operation", async () => {
    const { holder, call, question } = await held();
    const overridden = await holder.call("/pay", {
      method: "POST",
      body: "1",
      headers: { "x-http-method-override": "DELETE" },
    });
    expect(overridden.status).toBe(403);
    expect(JSON.parse(overridden.text)).toMatchObject({ code: "policy_denied", rule: "ask" });
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const in_body = await holder.call("/pay", { method: "POST", body: "a=1&_method=DELETE", headers: form });
    expect(JSON.parse(in_body.text)).toMatchObject({ code: "policy_denied", rule: "ask" });
    const other = holder.call("/pay", { method: "POST", body: "1", headers: { "stripe-account": "acct_2" } });
    const second = await eventually(async () => {
      const { items } = await holder.person.api<{ items: Approval[] }>("GET", "/v1/approvals");
      return items.find(({ id }) => id !== question.id);
    });
    await holder.person.api("POST", `/v1/approvals/${second.id}`, { decision: "no" });
    expect((await other).status).toBe(403);
    await holder.person.api("POST", `/v1/approvals/${question.id}`, { decision: "10m" });
    expect((await call).status).toBe(200);
    const again = { method: "POST", body: "1", headers: { "x-http-method-override": "DELETE" } };
    expect((await holder.call("/pay", again)).status).toBe(403);
    expect(holder.upstream.seen.filter(({ headers }) => "x-http-method-override" in headers)).toEqual([]);
  });
});

describe("calls that wait", () => {
  it("keep no more of their bodies than a router has room for: the others get the link at once, and come through after the yes", async () => {
    // A router of its own: in the usual one a call of some other test may wait, and take a place.
    const alone = await startLocker();
    onTestFinished(() => alone.stop());
    const holder = await newHolder(alone, { policy: { ask: {} } });
    const body = Buffer.alloc(1024 * 1024, "x");
    const call = async () => (await holder.call("/pay", { method: "POST", body })).status;
    const open = async () => (await holder.person.api<{ items: Approval[] }>("GET", "/v1/approvals")).items[0];
    const early: number[] = [];
    const calls = Array.from({ length: 36 }, call);
    for (const one of calls) void one.then((status) => early.push(status));
    await eventually(async () => early.length >= 4);
    const question = await eventually(open);
    expect(early).toEqual(early.map(() => 403));
    await holder.person.api("POST", `/v1/approvals/${question.id}`, { decision: "10m" });
    const through = (await Promise.all(calls)).filter((status) => status === 200);
    expect(through.length).toBe(32);
    expect(await call()).toBe(200);
  });
});
