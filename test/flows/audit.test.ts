import { describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import { newHolder, problemIn, type Holder } from "../support/holder.ts";
import { activity, eventually, mintToken, usualLocker } from "../support/locker.ts";

type Verdict = { ok: boolean; rows: number; fault?: string; head: { seq: number } };

const locker = await usualLocker();

function verify(person: Person): Promise<Verdict> {
  return person.api<Verdict>("GET", "/v1/activity/verify");
}

function vaultOf({ token }: Holder): string {
  return token.slice(10, 34);
}

async function archived(holder: Holder): Promise<number[]> {
  const db = await locker.miniflare.getD1Database("DB");
  const { results } = await db
    .prepare("SELECT seq FROM audit WHERE vault_id = ? ORDER BY seq")
    .bind(vaultOf(holder))
    .all<{ seq: number }>();
  return results.map(({ seq }) => seq);
}

/** Everything there is, page by page. */
async function everything(person: Person) {
  const rows: { id: string; seq: number; outcome: string }[] = [];
  for (let cursor = ""; ;) {
    const page = await person.api<{ items: typeof rows; next_cursor?: string }>(
      "GET",
      `/v1/activity?limit=200${cursor}`,
    );
    rows.push(...page.items);
    if (page.next_cursor === undefined) return rows;
    cursor = `&cursor=${page.next_cursor}`;
  }
}

describe("no use without a record", () => {
  it("the upstream is asked only once the row is there, and the answer names it", async () => {
    const holder = await newHolder(locker);
    const seen: string[] = [];
    holder.upstream.answerWith(async (_request, response) => {
      const [row] = await activity(holder.person, 1);
      seen.push(`${row?.action} ${row?.outcome} ${row?.id}`);
      response.end("{}");
    });
    const answer = await holder.call("/things");
    expect(answer.status).toBe(200);
    expect(seen).toEqual([`proxy.call pending ${String(answer.headers["apilocker-request-id"])}`]);
    expect(await holder.row("/things")).toMatchObject({ outcome: "ok", status: 200 });
  });

  it("a refusal of a known token names its row, a forged token has none", async () => {
    const holder = await newHolder(locker, { policy: { methods: ["GET"] } });
    const refused = await holder.call("/things", { method: "POST" });
    const { rule, request_id } = problemIn(refused);
    expect([refused.status, rule]).toEqual([403, "methods"]);
    const rows = await activity(holder.person);
    expect(rows.find(({ id }) => id === request_id)).toMatchObject({ outcome: "refused", rule: "methods" });
    const forged = holder.token.slice(0, -10) + holder.token.slice(-6, -2) + holder.token.slice(-6);
    expect((await holder.call("/things", { headers: { authorization: `Bearer ${forged}` } })).status).toBe(401);
    expect(await activity(holder.person)).toHaveLength(rows.length);
  });
});

describe("the log of a busy vault", () => {
  it("reaches D1 whole: no row twice, none missing, the chain holds, and any change in D1 is noticed", async () => {
    const holder = await newHolder(locker);
    const { person } = holder;
    const answers = await Promise.all(Array.from({ length: 250 }, (_, i) => holder.call(`/${i}`)));
    const ids = answers.map(({ headers }) => String(headers["apilocker-request-id"]));
    // The hundredth row calls for the batch at once; nobody has to wait for the ten seconds.
    const shipped = await eventually(async () => {
      const seqs = await archived(holder);
      return seqs.length >= 200 && seqs;
    }, 15_000);
    expect(new Set(shipped).size).toBe(shipped.length);
    const rows = await everything(person);
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: rows.length }, (_, i) => rows.length - i));
    expect(ids.filter((id) => !rows.some((row) => row.id === id))).toEqual([]);
    expect(await verify(person)).toMatchObject({ ok: true, rows: rows.length, head: { seq: rows.length } });

    const db = await locker.miniflare.getD1Database("DB");
    const tamper = (query: string) => db.prepare(query).bind(vaultOf(holder)).run();
    await tamper("UPDATE audit SET decision = replace(decision, '/10\"', '/11\"') WHERE vault_id = ?");
    expect((await verify(person)).fault).toMatch(/changed/);
  }, 40_000);

  it("counts a token's uses as they are, before and after its rows have left", async () => {
    const holder = await newHolder(locker);
    const { id, token } = await mintToken(holder.person, { methods: ["GET"] });
    const headers = { authorization: `Bearer ${token}` };
    await Promise.all(Array.from({ length: 110 }, () => holder.call("/x", { headers })));
    const uses = async () => (await holder.person.api<{ uses: number }>("GET", `/v1/tokens/${id}`)).uses;
    expect(await uses()).toBe(110);
    await eventually(async () => (await archived(holder)).length >= 100, 15_000);
    expect(await uses()).toBe(110);
  }, 40_000);
});
