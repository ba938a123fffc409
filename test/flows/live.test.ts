import { describe, expect, it } from "vitest";
import { LiveEvent } from "../../src/api/schema.ts";
import type { Person } from "../../src/local/person.ts";
import { newHolder } from "../support/holder.ts";
import { signInDevice } from "../support/device.ts";
import { feedOf, openFeed } from "../support/live.ts";
import { activity, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

describe("the live feed", () => {
  it("tells of a call at once, and again how it ended, in the words of the activity", async () => {
    const holder = await newHolder(locker);
    const feed = await feedOf(holder.person);
    await holder.call("/v1/things");
    const decided = await feed.next(({ row }) => row?.path === "/v1/things");
    expect(decided.row).toMatchObject({ action: "proxy.call", outcome: "pending", key: holder.key.id });
    const ended = await feed.next(({ row }) => row?.id === decided.row?.id);
    expect(ended.row).toMatchObject({ outcome: "ok", status: 200, bytes_out: 2 });
    expect(ended.row).toEqual((await activity(holder.person)).find(({ id }) => id === decided.row?.id));
  });

  it("says where it begins, and tells nothing of what came before", async () => {
    const ada = await newPerson(locker);
    await mintToken(ada);
    const [newest] = await activity(ada);
    const feed = await feedOf(ada);
    expect(feed.ready.seq).toBe(newest?.seq);
    await storeKey(ada, "k", "https://api.openai.com");
    expect((await feed.next(() => true)).row?.seq).toBe(feed.ready.seq + 1);
  });

  it("tells of a revocation", async () => {
    const ada = await newPerson(locker);
    const { id } = await mintToken(ada);
    const key = await storeKey(ada, "k", "https://api.openai.com");
    const feed = await feedOf(ada);
    await ada.api("DELETE", `/v1/tokens/${id}`);
    expect(await feed.next(({ type }) => type === "revocation")).toMatchObject({ action: "token.revoke", subject: id });
    await ada.api("DELETE", `/v1/keys/k`);
    expect(await feed.next(({ type }) => type === "revocation")).toMatchObject({ subject: key.id });
  });

  it("speaks only as the contract says", async () => {
    const holder = await newHolder(locker, { policy: { methods: ["GET"] } });
    const feed = await feedOf(holder.person);
    await holder.call("/one");
    await holder.call("/two", { method: "POST" });
    await holder.person.api("DELETE", `/v1/tokens/${holder.token_id}`);
    await feed.next(({ type }) => type === "revocation");
    for (const text of feed.heard) expect(LiveEvent.parse(JSON.parse(text))).toEqual(JSON.parse(text));
  });

  it("answers ping with pong", async () => {
    const feed = await feedOf(await newPerson(locker));
    feed.end.socket.send("ping");
    expect((await feed.end.next()).text).toBe("pong");
  });
});

describe("a feed ends with what opened it", () => {
  const signOut = (person: Person) => person.fetch("/auth/sign-out", { method: "POST" });

  it("with its device, which listens by its token alone", async () => {
    const ada = await newPerson(locker);
    const { id, token } = await signInDevice(locker, ada);
    const feed = await openFeed(ada.origin, { authorization: `Bearer ${token}` });
    await mintToken(ada);
    await feed.next(({ row }) => row?.action === "token.create");
    await ada.api("DELETE", `/v1/devices/${id}`);
    expect(await feed.end.told).toEqual({ code: 4001, reason: "revoked" });
  });

  it("with its session, and with no other", async () => {
    const ada = await newPerson(locker);
    const feed = await feedOf(ada);
    const other = await newPerson(locker, "bob");
    const others = await feedOf(other);
    await signOut(ada);
    expect(await feed.end.told).toEqual({ code: 4001, reason: "revoked" });
    await mintToken(other);
    expect(await others.next(({ row }) => row?.action === "token.create")).toBeDefined();
  });
});
