import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newHolder, opened, problemIn, send, type Answer, type Holder } from "../support/holder.ts";
import { activity, eventually, mintToken, startLocker } from "../support/locker.ts";
import { killRuntime } from "../support/runtime.ts";

let stateDir: string;
let locker: LocalLocker;
beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "apilocker-limits-"));
  locker = await startLocker({ stateDir });
});
afterAll(async () => {
  await locker.stop();
  await rm(stateDir, { recursive: true, force: true });
});

const many = (holder: Holder, n: number): Promise<Answer[]> =>
  Promise.all(Array.from({ length: n }, (_, index) => holder.call(`/v1/${index}`)));
const verdicts = (answers: Answer[]) =>
  answers.map((answer) => (answer.status === 200 ? "200" : `${answer.status} ${problemIn(answer).rule}`));
const tally = (answers: Answer[]) => {
  const counts: Record<string, number> = {};
  for (const verdict of verdicts(answers)) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return counts;
};

test("max_uses, daily_quota and rate let exactly so many of fifty parallel calls reach the upstream", async () => {
  const cases = [
    [{ max_uses: 7 }, "403 max_uses"],
    [{ daily_quota: 5 }, "429 daily_quota"],
    [{ rate: { per_minute: 9 } }, "429 rate"],
  ] as const;
  for (const [policy, refusal] of cases) {
    const holder = await newHolder(locker, { policy });
    const [n] = Object.values(policy).flatMap((limit) => (typeof limit === "number" ? limit : limit.per_minute));
    const answers = await many(holder, 50);
    expect(tally(answers)).toEqual({ 200: n, [refusal]: 50 - (n ?? 0) });
    expect(holder.upstream.seen).toHaveLength(n ?? 0);
    for (const { status, headers } of answers) {
      if (status === 429) expect(Number(headers["retry-after"])).toBeGreaterThan(0);
      else expect(headers["retry-after"]).toBeUndefined();
    }
  }
});

test("after the time that Retry-After tells, a call goes through", async () => {
  const holder = await newHolder(locker, { policy: { rate: { per_second: 2 } } });
  // More than a busy machine gets through at two a second.
  const refused = (await many(holder, 40)).find(({ status }) => status === 429);
  expect(refused?.headers["retry-after"]).toBe("1");
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect((await holder.call("/v1/again")).status).toBe(200);
});

test("max_concurrent holds while answers stream, and a place is free once one has ended or was cut", async () => {
  const holder = await newHolder(locker, { policy: { max_concurrent: 2 } });
  holder.upstream.answerWith((request, response) => {
    if (request.url === "/quick") return void response.end("{}");
    response.writeHead(200, { "content-type": "text/event-stream" });
    const tick = setInterval(() => response.write("data: 1\n\n"), 20);
    response.on("close", () => clearInterval(tick));
  });
  const [first] = await Promise.all([opened(holder, "/stream/1"), opened(holder, "/stream/2")]);
  const refused = await holder.call("/quick");
  expect([refused.status, problemIn(refused).rule, refused.headers["retry-after"]]).toEqual([
    429,
    "max_concurrent",
    "1",
  ]);
  first?.destroy();
  await eventually(async () => (await holder.call("/quick")).status === 200);
  await holder.person.api("POST", `/v1/tokens/${holder.token_id}/pause`);
  await holder.person.api("POST", `/v1/tokens/${holder.token_id}/resume`);
  expect(
    tally(await Promise.all([opened(holder, "/stream/3"), opened(holder, "/stream/4")]).then(() => many(holder, 2))),
  ).toEqual({
    "429 max_concurrent": 2,
  });
});

test("where and when a token may be used is refused before anything of its keys is told", async () => {
  const elsewhere = await newHolder(locker, { policy: { ip_allow: ["203.0.113.0/24", "2001:db8::/32"] } });
  const cases: [object, string | undefined][] = [
    [{ ip_allow: ["203.0.113.0/24"] }, "ip_allow"],
    [{ ip_allow: ["::ffff:127.0.0.0/104"] }, undefined],
    [{ ip_allow: ["127.0.0.1"] }, undefined],
    [{ countries: ["NZ"] }, "countries"],
    [{ not_before: new Date(Date.now() + 60_000).toISOString() }, "not_before"],
    [{ not_before: new Date(Date.now() - 60_000).toISOString() }, undefined],
  ];
  for (const [policy, rule] of cases) {
    const { token } = await mintToken(elsewhere.person, policy);
    const of = (key: string) =>
      send(`${locker.proxyOrigin}/v1/proxy/${key}/x`, { headers: { authorization: `Bearer ${token}` } });
    const [known, absent] = [await of("api"), await of("absent")];
    if (rule === undefined) expect([known.status, absent.status]).toEqual([200, 404]);
    else
      for (const answer of [known, absent])
        expect([answer.status, problemIn(answer).code, problemIn(answer).rule]).toEqual([403, "policy_denied", rule]);
  }
  expect((await elsewhere.call("/x")).status).toBe(403);
});

test("a policy is told as it is kept, and what cannot be one is refused by field", async () => {
  const { person, key } = await newHolder(locker);
  const policy = {
    keys: ["api"],
    methods: ["get"],
    ip_allow: ["192.0.2.77/24", "2001:DB8::1"],
    countries: ["nz"],
    rate: { per_second: 5 },
    max_uses: 3,
    warn: { keys: ["api"], ip_allow: ["10.1.2.3/8"], max_uses: 1 },
  };
  const { id } = await mintToken(person, policy);
  expect(await person.api("GET", `/v1/tokens/${id}`)).toMatchObject({
    policy: {
      keys: [key.id],
      methods: ["GET"],
      ip_allow: ["192.0.2.0/24", "2001:db8::1/128"],
      countries: ["NZ"],
      rate: { per_second: 5 },
      max_uses: 3,
      warn: { keys: [key.id], ip_allow: ["10.0.0.0/8"], max_uses: 1 },
    },
  });
  for (const [bad, field] of [
    [{ ip_allow: ["10.0.0.0/33"] }, "policy.ip_allow.0"],
    [{ ip_allow: ["example.com"] }, "policy.ip_allow.0"],
    [{ warn: { ip_allow: ["x"] } }, "policy.warn.ip_allow.0"],
    [{ warn: { keys: ["absent"] } }, "policy.warn.keys.0"],
    [{ countries: ["NZL"] }, "policy.countries.0"],
    [{ rate: {} }, "policy.rate"],
    [{ rate: { per_second: 0 } }, "policy.rate.per_second"],
    [{ rate: { per_hour: 1 } }, "policy.rate.per_hour"],
    [{ max_uses: 0 }, "policy.max_uses"],
    [{ max_concurrent: 1.5 }, "policy.max_concurrent"],
    [{ not_before: "tomorrow" }, "policy.not_before"],
    [{ warn: { warn: {} } }, "policy.warn.warn"],
  ] as const) {
    const answer = await person.fetch("/v1/tokens", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "bad", policy: bad }),
    });
    const { errors } = await answer.json<{ errors?: { field: string }[] }>();
    expect([bad, answer.status, errors?.[0]?.field]).toEqual([bad, 422, field]);
  }
});

test("rules on trial let through what they would refuse, and the activity says so and is filtered by it", async () => {
  const holder = await newHolder(locker, { policy: { warn: { methods: ["GET"], max_uses: 2 } } });
  for (const [path, method] of [
    ["/a", "GET"],
    ["/b", "DELETE"],
    ["/c", "GET"],
    ["/d", "GET"],
  ] as const)
    expect((await holder.call(path, { method })).status).toBe(200);
  const told = (await activity(holder.person)).filter(({ action }) => action === "proxy.call");
  expect(told.map(({ path, would_refuse }) => [path, would_refuse])).toEqual([
    ["/d", "max_uses"],
    ["/c", undefined],
    ["/b", "methods"],
    ["/a", undefined],
  ]);
  const filtered = async (by: string) =>
    (await holder.person.api<{ items: { path: string }[] }>("GET", `/v1/activity?would_refuse=${by}`)).items.map(
      ({ path }) => path,
    );
  expect(await filtered("methods")).toEqual(["/b"]);
  expect(await filtered("any")).toEqual(["/d", "/b"]);
});

test("what was used stays used when the runtime is killed and started again", async () => {
  const holder = await newHolder(locker, { policy: { max_uses: 5, daily_quota: 4 } });
  expect(tally(await many(holder, 3))).toEqual({ 200: 3 });
  await killRuntime(locker);
  locker = await startLocker({ stateDir });
  const call = (path: string) =>
    send(`${locker.proxyOrigin}/v1/proxy/api${path}`, { headers: { authorization: `Bearer ${holder.token}` } });
  expect(tally(await many({ ...holder, call }, 5))).toEqual({ 200: 1, "429 daily_quota": 4 });
}, 90_000);
