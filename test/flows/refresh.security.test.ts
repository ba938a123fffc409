import { describe, expect, it } from "vitest";
import { newHolder, opened, send, type Holder } from "../support/holder.ts";
import { activity, newPerson, usualLocker } from "../support/locker.ts";

type Issued = { id: string; token: string; expires_at: string; refresh_token: string };

const locker = await usualLocker();

function refresh(refresh_token: string, agent = "app/1"): Promise<Response> {
  const headers = { authorization: `Bearer ${refresh_token}`, "user-agent": agent };
  return fetch(`${locker.publicOrigin}/v1/tokens/refresh`, { method: "POST", headers });
}

async function refreshed(refresh_token: string): Promise<Issued> {
  const answer = await refresh(refresh_token);
  expect(answer.status).toBe(200);
  return answer.json<Issued>();
}

/** Somebody with a key and a token that rotates. */
async function newRotating(rotation = "hourly"): Promise<{ holder: Holder; first: Issued }> {
  const holder = await newHolder(locker);
  const first = await holder.person.api<Issued>("POST", "/v1/tokens", { name: "app", rotation });
  return { holder, first };
}

const call = ({ base }: Holder, { token }: Issued) =>
  send(`${base}/x`, { headers: { authorization: `Bearer ${token}` } });

/** What the object holds, turned back or forward in time. */
async function inVault({ token }: Holder, statement: string): Promise<Record<string, unknown>[]> {
  const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", {
    name: token.slice(10, 34),
  });
  return storage.exec(statement) as Promise<Record<string, unknown>[]>;
}

describe("an app token that rotates", () => {
  it("lives one cadence, is refreshed with its refresh token, and stays one token with a history", async () => {
    const { holder, first } = await newRotating("daily");
    const lives_ms = Date.parse(first.expires_at) - Date.now();
    expect(Math.abs(lives_ms - 86_400_000)).toBeLessThan(60_000);
    expect((await call(holder, first)).status).toBe(200);
    const second = await refreshed(first.refresh_token);
    expect(second.id).toBe(first.id);
    expect((await call(holder, second)).status).toBe(200);
    const shown = await holder.person.api<Record<string, unknown>>("GET", `/v1/tokens/${first.id}`);
    expect(shown).toMatchObject({
      rotation: "daily",
      rotations: 1,
      uses: 2,
      generations: [{ generation: 1 }, { generation: 0 }],
    });
    expect(JSON.stringify(shown)).not.toMatch(/alk_/);
    const { items } = await holder.person.api<{ items: Record<string, unknown>[] }>("GET", "/v1/tokens");
    expect(items).toContainEqual(expect.objectContaining({ id: first.id, rotation: "daily" }));
    expect(items).toContainEqual(expect.objectContaining({ id: holder.token_id, rotation: "static" }));
  });

  it("fifty parallel refreshes over HTTP are one rotation and fifty equal answers", async () => {
    const { holder, first } = await newRotating();
    const answers = await Promise.all(Array.from({ length: 50 }, () => refreshed(first.refresh_token)));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    const shown = await holder.person.api("GET", `/v1/tokens/${first.id}`);
    expect(shown).toMatchObject({ rotations: 1, generations: [{ repeats: 49 }, { repeats: 0 }] });
    expect((await call(holder, answers[0] as Issued)).status).toBe(200);
  });

  it("two processes that share a store and take turns lose nothing", async () => {
    const { holder, first } = await newRotating();
    let [one, two] = [first, first];
    for (let turn = 0; turn < 6; turn++) {
      one = await refreshed(one.refresh_token);
      two = await refreshed(two.refresh_token);
      expect((await call(holder, one)).status).toBe(200);
      expect((await call(holder, two)).status).toBe(200);
    }
  });

  it("an answer that was lost is given again after a crash of the client, and after the vault slept", async () => {
    const { holder, first } = await newRotating();
    await refreshed(first.refresh_token);
    await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", { name: holder.token.slice(10, 34) });
    const again = await refreshed(first.refresh_token);
    expect((await call(holder, again)).status).toBe(200);
  });

  it("a thief's old token ends it: refresh and access are dead, the open stream is cut, the owner can read of it", async () => {
    const { holder, first } = await newRotating();
    const second = await refreshed(first.refresh_token);
    const third = await refreshed(second.refresh_token);
    holder.upstream.answerWith((_request, answer) => {
      answer.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    });
    const stream = await opened({ ...holder, token: third.token }, "/stream");
    const ended = new Promise((resolve) => stream.once("close", resolve).on("error", () => {}));
    await new Promise((resolve) => stream.once("data", resolve));
    await inVault(holder, "UPDATE generation SET superseded_at = superseded_at - 120000");
    const stolen = await refresh(first.refresh_token, "thief/1");
    expect(stolen.status).toBe(401);
    expect(await stolen.json()).toMatchObject({ code: "invalid_token", rule: "reuse" });
    await ended;
    expect((await call(holder, third)).status).toBe(401);
    expect((await refresh(third.refresh_token)).status).toBe(401);
    const reuse = (await activity(holder.person)).find(({ action }) => action === "refresh.reuse");
    expect(reuse).toMatchObject({ outcome: "refused", rule: "reuse", subject: first.id, user_agent: "thief/1" });
    // The other token of the same person is none of its business.
    holder.upstream.answerWith((_request, answer) => void answer.end());
    expect((await holder.call("/x")).status).toBe(200);
  });
});

describe("a refresh token", () => {
  it("is good for nothing else: not for a call, not for the management API, not in a query", async () => {
    const { holder, first } = await newRotating();
    expect((await call(holder, { ...first, token: first.refresh_token })).status).toBe(401);
    expect((await send(`${holder.base}/x?key=${first.refresh_token}`)).status).toBe(401);
    const headers = { authorization: `Bearer ${first.refresh_token}` };
    for (const path of ["/v1/tokens", "/v1/keys", "/v1/me"])
      expect((await fetch(locker.publicOrigin + path, { headers })).status).toBe(403);
    expect(holder.upstream.seen).toHaveLength(0);
  });

  it("and nothing else can refresh: no app token, no session, no stranger's", async () => {
    const { holder, first } = await newRotating();
    expect((await refresh(first.token)).status).toBe(403);
    expect((await holder.person.fetch("/v1/tokens/refresh", { method: "POST" })).status).toBe(403);
    const eve = await newPerson(locker, "eve");
    const hers = await eve.api<Issued>("POST", "/v1/tokens", { name: "app", rotation: "hourly" });
    expect((await refreshed(hers.refresh_token)).id).toBe(hers.id);
    expect((await refreshed(first.refresh_token)).id).toBe(first.id);
  });

  it("of a paused token is refused with 423 and works again after", async () => {
    const { holder, first } = await newRotating();
    await holder.person.api("POST", `/v1/tokens/${first.id}/pause`);
    expect((await refresh(first.refresh_token)).status).toBe(423);
    await holder.person.api("POST", `/v1/tokens/${first.id}/resume`);
    await refreshed(first.refresh_token);
  });
});
