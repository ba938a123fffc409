import { describe, expect, it } from "vitest";
import { newHolder } from "../support/holder.ts";
import { feedOf } from "../support/live.ts";
import { activity, eventually, mintToken, newPerson, usualLocker } from "../support/locker.ts";
import { connect } from "../support/websocket.ts";

const locker = await usualLocker();

const open = (headers: Record<string, string>, path = "/v1/live") => connect(locker.publicOrigin + path, { headers });

describe("who may listen", () => {
  it("a session only from a page of exactly our origin", async () => {
    const { cookie, origin } = await newPerson(locker);
    for (const headers of [
      { cookie },
      { cookie, origin: "null" },
      { cookie, origin: `${origin}.evil.example` },
      { cookie, origin: locker.proxyOrigin },
      { cookie, origin: origin.replace("http:", "https:") },
      { cookie, "sec-fetch-site": "same-origin" },
      { cookie, origin: "https://evil.example", "sec-fetch-site": "same-origin" },
      { cookie, origin, "sec-fetch-site": "cross-site" },
    ] as Record<string, string>[]) {
      const answer = await open(headers);
      expect(answer, JSON.stringify(headers)).toMatchObject({ refused: 403 });
      expect(answer).toMatchObject({ body: expect.stringContaining("csrf_refused") });
    }
  });

  it("nobody without a token, with an app token, with a session as bearer or with a token in the address", async () => {
    const ada = await newPerson(locker);
    const { token } = await mintToken(ada);
    const session = ada.cookie.slice(ada.cookie.indexOf("=") + 1);
    expect(await open({ origin: ada.origin })).toMatchObject({ refused: 401 });
    expect(await open({ authorization: `Bearer ${token}` })).toMatchObject({ refused: 403 });
    expect(await open({ authorization: `Bearer ${session}`, origin: ada.origin })).toMatchObject({ refused: 401 });
    expect(await open({ origin: ada.origin }, `/v1/live?token=${session}`)).toMatchObject({ refused: 401 });
    expect(await open({ cookie: ada.cookie, origin: ada.origin, authorization: "Bearer x" })).toMatchObject({
      refused: 401,
    });
  });

  it("nobody at the proxy's origin", async () => {
    const { cookie } = await newPerson(locker);
    const answer = await connect(`${locker.proxyOrigin}/v1/live`, { headers: { cookie, origin: locker.publicOrigin } });
    expect(answer).toMatchObject({ refused: 401 });
  });

  it("not after signing out", async () => {
    const ada = await newPerson(locker);
    const before = await feedOf(ada);
    await ada.fetch("/auth/sign-out", { method: "POST" });
    await before.end.told;
    expect(await open({ cookie: ada.cookie, origin: ada.origin })).toMatchObject({ refused: 401 });
  });

  it("twenty at once, not one more; and again once one has gone", async () => {
    const ada = await newPerson(locker);
    const feeds = await Promise.all(Array.from({ length: 20 }, () => feedOf(ada)));
    expect(await open({ cookie: ada.cookie, origin: ada.origin })).toMatchObject({ refused: 429 });
    feeds[0]?.end.socket.close();
    await eventually(() => feedOf(ada).catch(() => false as const));
  });

  it("and twenty at once also where thirty come in the same moment", async () => {
    const ada = await newPerson(locker);
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => open({ cookie: ada.cookie, origin: ada.origin })),
    );
    const first = await Promise.all(
      answers.map(async (answer) => {
        if ("refused" in answer) return "refused";
        const ended = await Promise.race([answer.end.told.then(() => "refused"), answer.end.next().then(() => "told")]);
        return ended;
      }),
    );
    expect(first.filter((one) => one === "told")).toHaveLength(20);
    for (const answer of answers) if ("end" in answer) answer.end.socket.close();
  });

  it("needs a WebSocket", async () => {
    const ada = await newPerson(locker);
    expect((await ada.fetch("/v1/live")).status).toBe(426);
  });
});

describe("what a listener says", () => {
  it("is no word of a leash: it ends the feed and no call", async () => {
    const holder = await newHolder(locker);
    const feed = await feedOf(holder.person);
    holder.upstream.answerWith(() => {});
    const call = holder.call("/hangs").catch(() => {});
    const { row } = await feed.next(({ row }) => row?.path === "/hangs");
    feed.end.socket.send(JSON.stringify({ settle: { seq: row?.seq, outcome: "ok" }, status: 200, seq: row?.seq }));
    expect(await feed.end.told).toMatchObject({ code: 1008 });
    expect((await activity(holder.person)).find(({ id }) => id === row?.id)).toMatchObject({ outcome: "pending" });
    await holder.person.api("DELETE", `/v1/tokens/${holder.token_id}`);
    await call;
  });
});

describe("headers that mean something inside", () => {
  it("are worth nothing when a client sends them", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    const inner = Buffer.from(JSON.stringify({ hash: "x", kind: "ses", may: ["session"] })).toString("base64url");
    expect(await open({ "x-live-caller": inner, "x-partykit-room": "r" })).toMatchObject({ refused: 401 });
    const headers = {
      cookie: eve.cookie,
      origin: eve.origin,
      "x-live-caller": inner,
      "x-leash-seq": "1",
      "x-leash-lease": "l",
    };
    expect(await connect(`${locker.publicOrigin}/v1/live?_pk=chosen`, { headers })).toMatchObject({ refused: 422 });
    const feed = await connect(`${locker.publicOrigin}/v1/live`, { headers });
    if ("refused" in feed) throw new Error(feed.body);
    await feed.end.next();
    await mintToken(ada);
    const { id } = await mintToken(eve, {}, "eves");
    const told = JSON.parse((await feed.end.next()).text ?? "") as { row: { subject: string } };
    expect(told.row.subject).toBe(id);
    feed.end.socket.close();
  });
});
