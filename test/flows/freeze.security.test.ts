import { beforeAll, describe, expect, it } from "vitest";
import { OPERATIONS, type Operation, type OperationId } from "../../src/api/schema.ts";
import { signIn, type Person } from "../../src/local/person.ts";
import { formsIn, poll, signInDevice, startLogin, submit, typeCode, type Form } from "../support/device.ts";
import { newHolder, opened, problemIn, type Holder } from "../support/holder.ts";
import { feedOf } from "../support/live.ts";
import { activity, eventually, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { codeFor, exchangeOf, registerClient, tokenRequest } from "../support/oauth.ts";

type Receipt = { id: string; revoked_at: string; last_used_at?: string; streams_cut: number; in_flight: number };
type Me = { account_id: string; frozen_at?: string; frozen_by?: string; session: { id: string } };

const locker = await usualLocker();

type World = { older: Person; froze: Person; fresh: Person; receipt: Receipt };

/** Three browsers of one person: one that signed in before the freeze, the one that froze, and one of a sign-in after it. */
async function freeze(older: Person): Promise<World> {
  const { identities } = await older.api<{ identities: { email: string }[] }>("GET", "/v1/me");
  const again = () => signIn(locker.publicOrigin, identities[0]?.email ?? "");
  const froze = await again();
  const receipt = await froze.api<Receipt>("POST", "/v1/vault/freeze");
  return { older, froze, fresh: await again(), receipt };
}

/** What only takes rights away, so that a sign-in after the freeze may do it. */
const STOPS = new Set<string>([
  "deleteKey",
  "pauseKey",
  "disconnectKey",
  "pauseToken",
  "changeToken",
  "deleteTrust",
  "revokeToken",
  "revokeSession",
  "revokeDevice",
  "narrowGrant",
  "pauseGrant",
  "revokeGrant",
  "unlinkIdentity",
]);
/** Tried by themselves below. */
const APART = new Set<string>(["freeze", "unfreeze", "revokeSessions", "deleteMe"]);
/** Reads nothing of a vault, or is asked by an upgrade and tried by itself below. */
const PUBLIC = new Set<string>(["listProviders", "live"]);

const ALL = (Object.entries(OPERATIONS) as [OperationId, Operation][]).filter(
  ([id, { may }]) => !APART.has(id) && may.some((authority) => authority.startsWith("session")),
);
const READS = ALL.filter(([id, { method }]) => method === "get" && !PUBLIC.has(id));
const CHANGES = ALL.filter(([id, { method }]) => method !== "get" && !STOPS.has(id));

/** Requests as they would be right, so that nothing but the freeze refuses them. What is not here is refused for its form too. */
const BODIES: Partial<Record<OperationId, object>> = {
  createKey: { name: "new", provider: "openai", secret: "sk-0123456789" },
  changeKey: { note: "n" },
  rotateKey: { secret: "sk-0123456789" },
  rollBackKey: {},
  revealKeys: { keys: ["api"] },
  createToken: { name: "new" },
  changeMe: { name: "n" },
  unlinkIdentity: { issuer: "https://id.example", subject: "nobody" },
  changeDevice: { name: "n" },
  renameSession: { name: "n" },
  narrowGrant: { keys: ["api"] },
};

const QUERIES: Partial<Record<OperationId, string>> = {
  activityStats: "?bucket=day",
  exportActivity: "?format=csv",
};
async function refusal(person: Person, id: OperationId, { method, path }: Operation): Promise<string> {
  const concrete = path.replace(/\{\w+\}/g, path.startsWith("/keys") ? "api" : "absent");
  const body = BODIES[id];
  const sent =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const answer = await person.fetch(`/v1${concrete}${QUERIES[id] ?? ""}`, { method: method.toUpperCase(), ...sent });
  const { code = "" } = answer.ok ? {} : await answer.json<{ code: string }>();
  return `${answer.status} ${code}`;
}

describe("a frozen vault", () => {
  let world: World;
  beforeAll(async () => {
    const person = await newPerson(locker);
    await storeKey(person, "api", "https://api.openai.com");
    world = await freeze(person);
  });

  it.each(CHANGES)("refuses %s to everyone, a fresh sign-in too", async (id, operation) => {
    for (const person of [world.older, world.froze, world.fresh]) {
      const refused = await refusal(person, id, operation);
      if (id in BODIES || operation.body === undefined) expect(refused).toBe("423 frozen");
      else expect(["423 frozen", "422 invalid_request"]).toContain(refused);
    }
  });

  it.each(READS)("lets a fresh sign-in and whoever froze it %s, and nobody else", async (id, operation) => {
    expect(await refusal(world.older, id, operation)).toBe("423 frozen");
    for (const person of [world.froze, world.fresh]) {
      expect(await refusal(person, id, operation)).toMatch(/^(200|404|422) /);
    }
  });

  it.each(ALL.filter(([id]) => STOPS.has(id)))("lets only a fresh sign-in %s", async (id, operation) => {
    for (const person of [world.older, world.froze]) expect(await refusal(person, id, operation)).toBe("423 frozen");
    expect(await refusal(world.fresh, id, operation)).toMatch(/^(200|404|409) /);
  });

  it("is said by /v1/me and by the doctor", async () => {
    const me = await world.fresh.api<Me>("GET", "/v1/me");
    const { session } = await world.froze.api<Me>("GET", "/v1/me");
    expect(me).toMatchObject({ frozen_at: world.receipt.revoked_at, frozen_by: session.id });
    const { items } = await world.fresh.api<{ items: { code: string }[] }>("GET", "/v1/doctor");
    expect(items[0]).toMatchObject({ code: "vault_frozen", severity: "warning", subject: session.id });
  });

  it("is frozen once: doing it again answers the same freeze and makes nobody older", async () => {
    for (const person of [world.older, world.fresh]) {
      const { id, revoked_at } = await person.api<Receipt>("POST", "/v1/vault/freeze");
      expect({ id, revoked_at }).toEqual({ id: world.receipt.id, revoked_at: world.receipt.revoked_at });
    }
    expect(await world.fresh.api<Me>("GET", "/v1/me")).toMatchObject({ frozen_at: world.receipt.revoked_at });
  });

  it("lets an older browser sign out, which harms nobody", async () => {
    const other = (await freeze(await newPerson(locker))).older;
    expect((await other.fetch("/auth/sign-out", { method: "POST" })).status).toBe(303);
    expect((await other.fetch("/v1/me")).status).toBe(401);
  });

  it("lets a device and an older session end themselves, and nobody else", async () => {
    const person = await newPerson(locker);
    const [one, two] = [await signInDevice(locker, person), await signInDevice(locker, person)];
    const { session } = await person.api<Me>("GET", "/v1/me");
    const { older, fresh } = await freeze(person);
    const end = async (by: Pick<Person, "fetch">, path: string) => (await by.fetch(path, { method: "DELETE" })).status;
    expect(await end(one, `/v1/devices/${two.id}`)).toBe(423);
    expect(await end(older, `/v1/devices/${two.id}`)).toBe(423);
    expect(await end(one, `/v1/devices/${one.id}`)).toBe(200);
    expect(await end(one, `/v1/devices/${one.id}`)).toBe(401);
    expect(await end(older, `/v1/sessions/${session.id}`)).toBe(200);
    expect((await older.fetch("/v1/me")).status).toBe(401);
    const rows = await activity(fresh);
    expect(rows.map(({ action }) => action)).toEqual(expect.arrayContaining(["device.revoke", "session.revoke"]));
    expect(await fresh.api("GET", `/v1/devices/${two.id}`)).not.toHaveProperty("revoked_at");
  });

  it("may not be given another identity, in the directory either", async () => {
    const answer = await world.fresh.fetch("/auth/oidc/link", { method: "POST" });
    expect([answer.status, (await answer.json<{ code: string }>()).code]).toEqual([423, "frozen"]);
  });
});

describe("ending a frozen account", () => {
  it("is for a fresh sign-in only", async () => {
    const { older, froze, fresh } = await freeze(await newPerson(locker));
    const ends = async (person: Person) => (await person.fetch("/v1/me", { method: "DELETE" })).status;
    expect([await ends(older), await ends(froze)]).toEqual([423, 423]);
    expect(await ends(fresh)).toBe(200);
    expect((await fresh.fetch("/v1/me")).status).toBe(401);
  });
});

describe("freezing", () => {
  it("refuses every use and cuts what is open; its receipt tells of it, and so do the rows", async () => {
    const holder = await newHolder(locker);
    const { clientEnded, upstreamClosed } = await openStream(holder);
    const { receipt, fresh } = await freeze(holder.person);
    expect(receipt).toMatchObject({
      id: expect.stringMatching(/^acc_/),
      streams_cut: 1,
      sessions_closed: 0,
      in_flight: 0,
    });
    expect(Date.parse(receipt.last_used_at ?? "")).toBeLessThanOrEqual(Date.parse(receipt.revoked_at));
    expect(await clientEnded).toBe("broken off");
    await upstreamClosed;
    const refused = await holder.call("/more");
    expect([refused.status, problemIn(refused)]).toMatchObject([423, { code: "frozen", rule: "frozen" }]);
    expect(holder.upstream.seen.map(({ url }) => url)).toEqual(["/stream"]);
    const rows = await activity(fresh);
    expect(rows.find(({ path }) => path === "/stream")).toMatchObject({ outcome: "cut", rule: "frozen", status: 200 });
    expect(rows.find(({ path }) => path === "/more")).toMatchObject({ outcome: "refused", rule: "frozen" });
    expect(rows.find(({ action }) => action === "vault.freeze")).toMatchObject({ outcome: "ok" });
  });

  it("outlives the vault's sleep", async () => {
    const holder = await newHolder(locker);
    await freeze(holder.person);
    const name = holder.token.slice(10, 34);
    await locker.miniflare.unsafeEvictDurableObject("apilocker", "UserVault", { name });
    expect((await holder.call("/x")).status).toBe(423);
  });

  it("voids entry pages for good", async () => {
    const holder = await newHolder(locker);
    const { url } = await holder.person.api<{ url: string }>("POST", "/v1/keys/api/entry-link");
    const { fresh } = await freeze(holder.person);
    const { pathname } = new URL(url);
    expect((await fresh.fetch(pathname)).status).toBe(423);
    await fresh.api("POST", "/v1/vault/unfreeze");
    expect((await fresh.fetch(pathname)).status).toBe(404);
  });
});

describe("codes", () => {
  it("of clients and devices that were let in but had not come for their tokens are void for good", async () => {
    const person = await newPerson(locker);
    const client = await registerClient(locker);
    const { device_code, user_code } = await startLogin(locker);
    const [approve] = formsIn(await (await typeCode(person, user_code)).text());
    expect((await submit(person, approve as Form)).status).toBe(200);
    const proof = await codeFor(person, client);
    const { fresh } = await freeze(person);
    await fresh.api("POST", "/v1/vault/unfreeze");
    const exchanged = await tokenRequest(locker, exchangeOf(client, proof));
    expect([exchanged.status, await exchanged.json()]).toMatchObject([400, { error: "invalid_grant" }]);
    expect(await poll(locker, device_code)).toMatchObject({ status: 400, error: "invalid_grant" });
    expect(await fresh.api("GET", "/v1/grants")).toMatchObject({ items: [] });
    expect(await fresh.api("GET", "/v1/devices")).toMatchObject({ items: [] });
  });
});

describe("a live feed", () => {
  it("is closed by a freeze, and opens again only for a fresh sign-in and whoever froze", async () => {
    const person = await newPerson(locker);
    const feed = await feedOf(person);
    const { older, froze, fresh } = await freeze(person);
    expect(await feed.end.told).toMatchObject({ code: 4001, reason: "frozen" });
    await expect(feedOf(older)).rejects.toThrow("423");
    for (const reader of [froze, fresh]) expect((await feedOf(reader)).ready.type).toBe("ready");
  });
});

describe("unfreezing", () => {
  it("is for a fresh sign-in only, ends every older session, and lets tokens be used again", async () => {
    const holder = await newHolder(locker);
    const { older, froze, fresh } = await freeze(holder.person);
    for (const person of [older, froze]) {
      expect((await person.fetch("/v1/vault/unfreeze", { method: "POST" })).status).toBe(423);
    }
    expect((await holder.call("/x")).status).toBe(423);
    const me = await fresh.api<Me>("POST", "/v1/vault/unfreeze");
    expect(me.frozen_at).toBeUndefined();
    for (const person of [older, froze]) expect((await person.fetch("/v1/me")).status).toBe(401);
    expect((await holder.call("/x")).status).toBe(200);
    await fresh.api("POST", "/v1/keys/api/pause");
    expect(
      await eventually(async () => (await activity(fresh)).find(({ action }) => action === "vault.unfreeze")),
    ).toMatchObject({ outcome: "ok" });
  });

  it("makes nobody's later freeze weaker: who unfroze and froze again must sign in once more", async () => {
    const person = await newPerson(locker);
    const { fresh } = await freeze(person);
    await fresh.api("POST", "/v1/vault/unfreeze");
    await fresh.api("POST", "/v1/vault/freeze");
    expect((await fresh.fetch("/v1/vault/unfreeze", { method: "POST" })).status).toBe(423);
  });
});

describe("signing out everywhere", () => {
  it("ends every session, the caller's too, with a receipt; app tokens go on", async () => {
    const holder = await newHolder(locker);
    const { identities } = await holder.person.api<{ identities: { email: string }[] }>("GET", "/v1/me");
    const other = await signIn(locker.publicOrigin, identities[0]?.email ?? "");
    const receipt = await other.api<Receipt>("DELETE", "/v1/sessions");
    expect(receipt).toMatchObject({
      id: expect.stringMatching(/^acc_/),
      streams_cut: 0,
      sessions_closed: 2,
      in_flight: 0,
    });
    for (const person of [holder.person, other]) expect((await person.fetch("/v1/me")).status).toBe(401);
    expect((await holder.call("/x")).status).toBe(200);
    const fresh = await signIn(locker.publicOrigin, identities[0]?.email ?? "");
    expect((await activity(fresh)).map(({ action }) => action)).toContain("session.revoke_all");
    expect((await mintToken(fresh)).token).toMatch(/^alk_app_/);
  });
});

/** A stream that both ends hold, and what each of them sees of its end. */
async function openStream(holder: Holder) {
  const closed = Promise.withResolvers<void>();
  holder.upstream.answerWith((_request, response) => {
    response.on("close", closed.resolve);
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
  });
  const answer = await opened(holder, "/stream");
  await new Promise((resolve) => answer.once("data", resolve));
  const clientEnded = new Promise<string>((resolve) => {
    answer.on("end", () => resolve("whole")).on("error", () => resolve("broken off"));
  });
  const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", {
    name: holder.token.slice(10, 34),
  });
  // Held means that the receipt counts it as cut.
  await eventually(
    async () => (await storage.exec("SELECT 1 FROM audit WHERE pending = 1 AND unclaimed_at IS NULL")).length > 0,
  );
  return { clientEnded, upstreamClosed: closed.promise };
}
