import { afterAll, beforeAll, expect, it } from "vitest";
import { AuditRow } from "../../src/api/schema.ts";
import { exportStream } from "../../src/api/export.ts";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { eventually, mintToken, newPerson, storeKey, type ActivityRow, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
let ada: Person;
let reader: { id: string; token: string };
let writer: { id: string; token: string };

const file = { origin: "https://locker.example", part: { begins: true, goes_on: undefined } };

const rows = async (query: string) =>
  (await ada.api<{ items: ActivityRow[] }>("GET", `/v1/activity?limit=200&${query}`)).items;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
  ada = await newPerson(locker);
  await storeKey(ada, "one", upstream.origin);
  await storeKey(ada, "two", upstream.origin);
  reader = await mintToken(ada, { methods: ["GET"] }, "=reader");
  writer = await mintToken(ada, {}, "writer");
  const call = (key: string, { token }: { token: string }, method = "GET") =>
    fetch(`${locker.proxyOrigin}/v1/proxy/${key}/path/${method}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
    });
  for (let n = 0; n < 60; n++) await call("one", reader);
  for (let n = 0; n < 60; n++) await call("two", writer, "POST");
  await call("one", reader, "DELETE");
  const db = await locker.miniflare.getD1Database("DB");
  // Some rows in D1, some still in the vault: every question below is asked of both.
  await eventually(
    async () => ((await db.prepare("SELECT count(*) AS n FROM audit").first<{ n: number }>())?.n ?? 0) >= 100,
    20_000,
  );
  for (let n = 0; n < 5; n++) await call("two", writer, "POST");
  await eventually(async () => (await rows("outcome=pending")).length === 0);
}, 60_000);
afterAll(() => upstream.stop());

it("every filter narrows, over the vault and D1 alike", async () => {
  expect(await rows("key=one&action=proxy.call")).toHaveLength(61);
  expect(await rows(`token=${writer.id}&action=proxy.call`)).toHaveLength(65);
  expect(await rows(`token=${reader.id}`)).toHaveLength(62);
  expect(await rows("outcome=refused")).toMatchObject([{ rule: "methods", method: "DELETE" }]);
  expect(await rows("outcome=refused,cut,failed")).toMatchObject([{ rule: "methods" }]);
  expect(await rows("outcome=ok,refused&action=proxy.call")).toHaveLength(126);
  expect(await rows("action=token.create")).toHaveLength(2);
  expect(await rows("provider=custom&q=path/POST")).toHaveLength(65);
  expect(await rows("ip=203.0.113.9")).toEqual([]);
  expect(await rows("country=XX&key=two&outcome=ok&action=proxy.call")).toHaveLength(65);
  expect(await rows("country=xx&key=two&outcome=ok&action=proxy.call")).toHaveLength(65);
  const [newest] = await rows("");
  const since = await rows(`since=${encodeURIComponent(String(newest?.at))}`);
  expect(since[0]).toEqual(newest);
  expect(since.filter(({ at }) => at !== newest?.at)).toEqual([]);
  expect(await rows(`until=2001-01-01T00:00:00Z`)).toEqual([]);
});

it("a key is found by its id and by every name that it has had, whatever it was called then; a deleted one by what it was called", async () => {
  const bob = await newPerson(locker);
  const { id } = await storeKey(bob, "before", upstream.origin);
  await bob.api("PATCH", "/v1/keys/before", { name: "after" });
  const actions = async (key: string) =>
    (await bob.api<{ items: ActivityRow[] }>("GET", `/v1/activity?key=${key}`)).items.map(({ action }) => action);
  for (const ref of [id, "before", "after"]) expect(await actions(ref)).toEqual(["key.rename", "key.create"]);
  await bob.api("DELETE", "/v1/keys/after");
  expect(await actions(id)).toEqual(["key.delete", "key.rename", "key.create"]);
  expect(await actions("before")).toEqual(["key.create"]);
});

it("what is said about a key is on record also where it is changed together with the secret", async () => {
  const bob = await newPerson(locker);
  await storeKey(bob, "before", upstream.origin);
  await bob.api("PATCH", "/v1/keys/before", { name: "after", secret: "sk-test-another-0123456789" });
  const { items } = await bob.api<{ items: ActivityRow[] }>("GET", "/v1/activity?key=after&limit=2");
  expect(items).toMatchObject([
    { action: "key.rotate", key_name: "after" },
    { action: "key.rename", key_name: "after" },
  ]);
});

it("statistics count every call once", async () => {
  for (const bucket of ["hour", "day"]) {
    const { items } = await ada.api<{ items: { calls: number; outcomes: Record<string, number>; at: string }[] }>(
      "GET",
      `/v1/activity/stats?bucket=${bucket}`,
    );
    expect(items.reduce((sum, { calls }) => sum + calls, 0)).toBe(126);
    expect(items.reduce((sum, { outcomes }) => sum + (outcomes.refused ?? 0), 0)).toBe(1);
    expect(items[0]?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:00:00\.000Z$/);
  }
});

it("an export holds every row, and no cell that a spreadsheet would run", async () => {
  const jsonl = (await (await ada.fetch("/v1/activity/export?format=jsonl")).text()).trim().split("\n");
  expect(jsonl).toHaveLength(126 + 5);
  expect(jsonl.map((line) => (JSON.parse(line) as ActivityRow).seq)).toEqual(
    Array.from({ length: 131 }, (_, n) => 131 - n),
  );
  const csv = await ada.fetch("/v1/activity/export?format=csv&action=proxy.call");
  expect(csv.headers.get("content-disposition")).toMatch(/^attachment; filename="activity-/);
  const lines = (await csv.text()).trim().split("\r\n");
  expect(lines).toHaveLength(127);
  const { actor: _, ...told } = AuditRow.shape;
  expect(lines[0]?.split(",").toSorted()).toEqual(
    [...Object.keys(told), "actor.kind", "actor.id", "actor.name"].toSorted(),
  );
  expect(lines.some((line) => line.includes(",'=reader,"))).toBe(true);
  expect(lines.some((line) => line.includes(",=reader,"))).toBe(false);
});

it("what a restore has lost is told in either form of an export", async () => {
  const lost = { rows: [{ first: 2, last: 3, prev: "h" }], outcomes: [] };
  const decision = JSON.stringify({ actor: { kind: "vault", id: "vault", name: "" }, action: "vault.restored", lost });
  const page = { rows: [{ seq: 4, decision, hash: "", outcome: null, outcome_hash: null }], before: undefined };
  const restored = await exportStream("csv", page, async () => page, file).text();
  expect(restored).toContain(`,"${JSON.stringify(lost).replaceAll('"', '""')}",`);
});

it("no name or path in an export begins a formula or parts a cell, whatever signs a spreadsheet goes by", async () => {
  const told = async (name: string) => {
    const decision = JSON.stringify({ actor: { kind: "app", id: "tok_1", name }, action: "x", outcome: "ok" });
    const rows = [{ seq: 1, decision, hash: "", outcome: null, outcome_hash: null }];
    const page = { rows, before: undefined };
    const csv = await exportStream("csv", page, async () => page, file).text();
    return csv.slice(csv.indexOf("tok_1,") + 6, csv.lastIndexOf(",,,,,,,,,,,,,,,,,,,,,,,"));
  };
  for (const sign of ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
    expect((await told(`${sign}1+1`)).replace(/^"/, "")).toMatch(/^'/);
  for (const mark of [";=1", ",=1", "\t=1", '"=1']) expect(await told(`a${mark}`)).toMatch(/^"a/);
});

it("a question that is none is refused by field", async () => {
  for (const [query, field] of [
    ["since=yesterday", "since"],
    ["country=Germany", "country"],
    ["limit=1000", "limit"],
  ]) {
    const response = await ada.fetch(`/v1/activity?${query}`);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ errors: [{ field }] });
  }
  expect((await ada.fetch("/v1/activity/export?format=xml")).status).toBe(422);
});
