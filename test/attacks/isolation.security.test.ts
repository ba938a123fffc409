import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { schemaOf } from "../../src/api/openapi.ts";
import { OPERATIONS, type Operation, type OperationId } from "../../src/api/schema.ts";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { foundIn } from "../support/canary.ts";
import { activity, eventually, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { call, current, letIn, type Client } from "../support/mcp.ts";
import { valuesOf } from "../support/schema_values.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

/**
 * Whatever one account asks, with every id, name and text of another's that it could know or guess: nothing of the other's is
 * shown, changed or used, and the other's is answered as what does not exist. `ISOLATION_RUNS` asks for more.
 */
const RUNS = Number(process.env.ISOLATION_RUNS ?? 100);

/** What nobody but Vera knows. None of it is sent by whoever attacks. */
const HERS = {
  secret: "sk-vera-7Qx41mNvTr09-canary",
  note: "vera's note canary-3f81",
  path: "canary-path-9be2",
  token_name: "vera's app canary-77aa",
  email: "vera-canary-",
};
/** What is hers and known to everybody: ids and names, as they stand in logs, addresses and tickets. */
type Known = { id: string; absent: string };

let locker: LocalLocker;
let hers: Upstream;
let his: Upstream;
let vera: Person;
let vera_token: string;
let known: Known[];
let mallory: { person: Person; token: string; client: Client };

beforeAll(async () => {
  [locker, hers, his] = await Promise.all([usualLocker(), startUpstream(), startUpstream()]);
  vera = await newPerson(locker, "vera-canary");
  const key = await storeKey(vera, "veras-key", hers.origin, {
    secret: HERS.secret,
    note: HERS.note,
    revealable: true,
  });
  const token = await mintToken(vera, {}, HERS.token_name);
  vera_token = token.token;
  const rotating = await vera.api<{ id: string }>("POST", "/v1/tokens", { name: "r", rotation: "daily" });
  const hook = await vera.api<{ id: string }>("POST", "/v1/webhooks", {
    url: `${hers.origin}/hook`,
    events: ["vault.frozen"],
  });
  const client = await letIn(locker, vera);
  const { items: sessions } = await vera.api<{ items: { id: string }[] }>("GET", "/v1/sessions");
  await use(key.name, HERS.path);
  const row = await eventually(async () =>
    (await activity(vera)).find(({ path, outcome }) => path === `/${HERS.path}` && outcome !== "pending"),
  );
  const ids = [key.id, token.id, rotating.id, hook.id, client.grant_id, sessions[0]?.id ?? "", row.id];
  known = [...ids.map((id) => ({ id, absent: absentLike(id) })), { id: key.name, absent: "nobodys-k" }];
  mallory = await another();
});
afterAll(() => Promise.all([hers.stop(), his.stop()]));

/** An id of the same kind that nobody has. */
function absentLike(id: string): string {
  return id.replace(/[0-9A-Z]{6}$/, (end) => (end === "000000" ? "111111" : "000000"));
}

async function another(): Promise<typeof mallory> {
  const person = await newPerson(locker, "mallory");
  await storeKey(person, "mallorys-key", his.origin);
  const { token } = await mintToken(person);
  return {
    person,
    token,
    client: await letIn(locker, person, { scopes: ["vault:read", "vault:proxy", "vault:write"] }),
  };
}

const use = (key: string, path: string, token = vera_token) =>
  fetch(`${locker.proxyOrigin}/v1/proxy/${key}/${path}`, { headers: { authorization: `Bearer ${token}` } });

/** All that she can see of what is hers. */
async function hersNow(): Promise<unknown> {
  // Her own calls end a little after they were answered.
  await eventually(async () => (await activity(vera, 200)).every(({ outcome }) => outcome !== "pending"));
  const seen: Record<string, unknown> = {};
  for (const [id, { method, path, may, status, produces }] of Object.entries<Operation>(OPERATIONS)) {
    if (method !== "get" || path.includes("{") || status !== 200 || produces !== undefined || !may.includes("session"))
      continue;
    const answer = await vera.fetch(`/v1${path}?limit=200`);
    seen[id] = answer.ok ? await answer.json() : answer.status;
  }
  return JSON.parse(JSON.stringify(seen, (name, value: unknown) => (MOVING.has(name) ? undefined : value)));
}
/** What her own looking moves, and what is counted when rows leave for D1. */
const MOVING = new Set([
  "uses",
  "refused",
  "last_used_at",
  "last_use_at",
  "age_s",
  "in_archive",
  "last_seen_at",
  "seen_at",
  "expires_at",
  "until",
  "generated_at",
  "checked_at",
]);

type Answer = { status: number; text: string; headers: string };
type Question = { op: OperationId; refs: Known[]; query: Record<string, unknown>; body: unknown; as: "person" | "app" };

/** These end whoever asks, or leave for good: not what is looked for here. */
const LEFT_OUT = new Set<string>(["deleteMe", "freeze", "live"]);

const texts = fc.oneof(
  { weight: 3, arbitrary: fc.nat(7).map((n) => `\0${n}`) },
  { weight: 1, arbitrary: fc.constantFrom("mallorys-key", "x", "tag:a", "http://127.0.0.1:9/", "a@example.com") },
);
const question: fc.Arbitrary<Question> = fc
  .constantFrom(...Object.keys(OPERATIONS).filter((id) => !LEFT_OUT.has(id)))
  .chain((id) => {
    const { query, body } = OPERATIONS[id as OperationId] as Operation;
    return fc.record({
      op: fc.constant(id as OperationId),
      refs: fc.array(fc.nat(7), { minLength: 2, maxLength: 2 }).map((ns) => ns as unknown as Known[]),
      query: query === undefined ? fc.constant({}) : (valuesOf(schemaOf(query, "input"), texts) as fc.Arbitrary<never>),
      body: body === undefined ? fc.constant(undefined) : valuesOf(schemaOf(body, "input"), texts),
      as: fc.constantFrom("person", "person", "person", "app"),
    });
  });

/** Puts her ids in their places, or ids that nobody has. */
function withIds(of: Question, which: keyof Known): Question {
  const at = (n: number) => known[n % known.length]?.[which] ?? "";
  const filled = JSON.parse(
    JSON.stringify(of, (_name, value: unknown) =>
      typeof value === "string" && value.startsWith("\0") ? at(Number(value.slice(1))) : value,
    ),
  ) as Question;
  const refs = (of.refs as unknown as number[]).map((n) => ({ id: at(n), absent: at(n) }));
  return { ...filled, refs };
}

async function ask({ op, refs, query, body, as }: Question): Promise<Answer> {
  const { method, path } = OPERATIONS[op] as Operation;
  let n = 0;
  const filled = path.replace(/\{\w+\}/g, () => encodeURIComponent(refs[n++]?.id ?? ""));
  const spelt = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, spelt(value)])).toString();
  const init: RequestInit = {
    method: method.toUpperCase(),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: { "content-type": "application/json" },
  };
  const address = `/v1${filled}${search === "" ? "" : `?${search}`}`;
  const answer =
    as === "person"
      ? await mallory.person.fetch(address, init)
      : await fetch(locker.publicOrigin + address, {
          ...init,
          headers: { ...init.headers, authorization: `Bearer ${mallory.token}` },
        });
  const headers = [...answer.headers].filter(
    ([name]) => !/^(date|content-length|.*request-id|server-timing)$/.test(name),
  );
  return { status: answer.status, text: await answer.text(), headers: JSON.stringify(headers) };
}

/** As it would be had the ids been the others: what differs from call to call is taken out. */
function plain({ status, text, headers }: Answer): unknown {
  let said = text;
  for (const { id, absent } of known) said = said.replaceAll(absent, id);
  return [status, said.replace(/,?"request_id":"[^"]*"/g, ""), headers];
}

function shown(answers: readonly Answer[]): string[] {
  const places = new Map(answers.map(({ text, headers }, n) => [`answer ${n}`, Buffer.from(text + headers)]));
  return foundIn(places, HERS);
}

test("whatever is asked of the API with another's ids shows, changes and uses nothing of theirs, and tells theirs from nothing", async () => {
  const before = await hersNow();
  expect(await hersNow()).toEqual(before);
  const arrived = hers.seen.length;
  const counts = { asked: 0, accepted: 0, compared: 0 };
  /** How long hers and nobody's took. Told, not asserted: a machine is busy at times. */
  const took: { theirs: number[]; nobodys: number[] } = { theirs: [], nobodys: [] };
  await fc.assert(
    fc.asyncProperty(question, async (one) => {
      const began = performance.now();
      const answer = await ask(withIds(one, "id"));
      const answered = performance.now();
      counts.asked++;
      if (answer.status < 300) counts.accepted++;
      expect(shown([answer])).toEqual([]);
      expect(answer.status).not.toBe(500);
      const named = (OPERATIONS[one.op] as Operation).path.includes("{");
      if (named) {
        // Nothing was done, and so the same may be asked of what does not exist.
        expect(answer.status).toBeGreaterThanOrEqual(400);
        counts.compared++;
        const asked = performance.now();
        expect(plain(answer)).toEqual(plain(await ask(withIds(one, "absent"))));
        took.theirs.push(answered - began);
        took.nobodys.push(performance.now() - asked);
      }
      if (answer.status === 401 || answer.status === 423) {
        if (!(await mallory.person.fetch("/v1/me")).ok) mallory = await another();
      }
    }),
    { numRuns: RUNS },
  );
  if (RUNS >= 1_000)
    console.log(
      JSON.stringify(counts),
      `median: theirs ${median(took.theirs)} ms, nobody's ${median(took.nobodys)} ms`,
    );
  expect(hers.seen.length).toBe(arrived);
  expect(await hersNow()).toEqual(before);
  expect((await use("veras-key", HERS.path)).status).toBe(200);
  expect(hers.seen.at(-1)?.headers.authorization).toBe(`Bearer ${HERS.secret}`);
  expect(counts.compared).toBeGreaterThan(RUNS / 10);
  expect(counts.accepted).toBeGreaterThan(RUNS / 50);
}, 3_600_000);

function median(values: readonly number[]): string {
  return (values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN).toFixed(2);
}

test("the proxy sends nothing to another's upstream, by whatever name, and answers as for a key that is not there", async () => {
  const arrived = hers.seen.length;
  for (const { id, absent } of known) {
    const [theirs, nobodys] = [await use(id, "x", mallory.token), await use(absent, "x", mallory.token)];
    expect(theirs.status).toBe(404);
    const [a, b] = [await theirs.text(), await nobodys.text()];
    const without = (text: string) => text.replace(/,?"request_id":"[^"]*"/g, "").replaceAll(absent, id);
    expect(without(a)).toBe(without(b));
  }
  expect(hers.seen.length).toBe(arrived);
});

test("no tool, resource or prompt shows or changes anything of another's, whatever ids a model puts in", async () => {
  const before = await hersNow();
  const arrived = hers.seen.length;
  const { messages } = await current(mallory.client, "tools/list");
  const tools = (messages[0]?.result?.tools ?? []) as { name: string; inputSchema: { properties?: object } }[];
  expect(tools.length).toBeGreaterThan(20);
  for (const { name, inputSchema } of tools) {
    if (name === "freeze_vault") continue;
    for (const { id } of [known[0], known[1], known[4], known[7]] as Known[]) {
      const names = Object.keys(inputSchema.properties ?? {});
      const args = Object.fromEntries(names.map((one) => [one, one === "method" ? "GET" : one === "path" ? "/x" : id]));
      const answer = await call(mallory.client, name, args);
      expect([name, shown([{ status: 200, text: JSON.stringify(answer), headers: "" }])]).toEqual([name, []]);
    }
  }
  for (const uri of [
    "locker://keys/veras-key",
    `locker://keys/${known[0]?.id ?? ""}`,
    "locker://keys",
    "locker://activity",
  ]) {
    const answer = await current(mallory.client, "resources/read", { uri });
    expect(shown([{ status: 200, text: answer.text, headers: "" }])).toEqual([]);
  }
  expect(hers.seen.length).toBe(arrived);
  expect(await hersNow()).toEqual(before);
});
