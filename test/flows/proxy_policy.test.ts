import { expect, test } from "vitest";
import { newHolder, problemIn, send, type Answer, type Sent } from "../support/holder.ts";
import { activity, eventually, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

const verdict = (answer: Answer) =>
  answer.status === 200 ? "allowed" : (problemIn(answer).rule ?? problemIn(answer).code);

test("a token with a methods rule sends those methods and no other", async () => {
  const { call, upstream } = await newHolder(locker, { policy: { methods: ["GET", "QUERY"] } });
  for (const method of ["GET", "QUERY"]) expect(verdict(await call("/v1", { method }))).toBe("allowed");
  for (const method of ["POST", "DELETE", "OPTIONS", "PATCH", "PUT", "PROPFIND"]) {
    const refused = await call("/v1", { method });
    expect([method, refused.status, problemIn(refused)]).toMatchObject([
      method,
      403,
      { code: "policy_denied", rule: "methods" },
    ]);
  }
  expect((await call("/v1", { method: "HEAD" })).status).toBe(403);
  expect(upstream.seen.map(({ method }) => method)).toEqual(["GET", "QUERY"]);
});

test("under a methods rule nothing may ask the server to take another method", async () => {
  const { call, upstream } = await newHolder(locker, { policy: { methods: ["POST"] } });
  const headers = [
    "x-http-method-override",
    "X-HTTP-Method",
    "x-method-override",
    "x-http-method-anything",
    "x_http_method_override",
  ];
  const queries = [
    "_method=DELETE",
    "_METHOD=DELETE",
    "%5Fmethod=DELETE",
    "a=1&_%6dethod=DELETE",
    "_method",
    "_method[]=DELETE",
    ".method=DELETE",
    "+_method=DELETE",
    "a=1;_method=DELETE",
  ];
  const overrides: [string, Sent][] = [
    ...headers.map((name) => ["/v1", { headers: { [name]: "DELETE" } }] as [string, Sent]),
    ...queries.map((query) => [`/v1?${query}`, {}] as [string, Sent]),
  ];
  for (const [path, sent] of overrides) {
    expect([path, sent, verdict(await call(path, { method: "POST", ...sent }))]).toEqual([path, sent, "methods"]);
  }
  expect(upstream.seen).toHaveLength(0);
  expect(verdict(await call("/v1?method=DELETE&my_method=1", { method: "POST" }))).toBe("allowed");
});

test("a methods rule goes by what is before the body, which is carried unread: who names another method in a form is not stopped", async () => {
  const { call, upstream } = await newHolder(locker, { policy: { methods: ["POST"] } });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  expect(verdict(await call("/v1", { method: "POST", headers, body: "_method=DELETE" }))).toBe("allowed");
  expect(upstream.seen.map(({ method, body }) => `${method} ${body.toString()}`)).toEqual(["POST _method=DELETE"]);
});

test("without a methods rule an override is the caller's own affair", async () => {
  const { call, upstream } = await newHolder(locker);
  await call("/v1?_method=PUT", { method: "POST", headers: { "x-http-method-override": "PUT" } });
  expect(upstream.seen[0]).toMatchObject({ url: "/v1?_method=PUT", headers: { "x-http-method-override": "PUT" } });
});

test("a token with a paths rule reaches what the globs cover, whole and case-sensitive", async () => {
  const { call, upstream } = await newHolder(locker, {
    policy: { paths: ["/v1/models", "/v1/chat/**", "/files/*/content"] },
  });
  const cases: Record<string, string> = {
    "/v1/models": "allowed",
    "/v1/models?x=1": "allowed",
    "/v1/%6dodels": "allowed",
    "/v1/models/": "paths",
    "/v1/models/gpt": "paths",
    "/v1/MODELS": "paths",
    "/v1/modelsx": "paths",
    "/v1/chat/": "allowed",
    "/v1/chat/a/b/c": "allowed",
    "/files/1/content": "allowed",
    "/files/1/2/content": "paths",
    "/files/content": "paths",
    "/": "paths",
    "": "paths",
  };
  for (const [path, wanted] of Object.entries(cases)) expect([path, verdict(await call(path))]).toEqual([path, wanted]);
  expect(upstream.seen).toHaveLength(Object.values(cases).filter((wanted) => wanted === "allowed").length);
});

test("a spelling by which a path could mean another path is refused where a paths rule exists", async () => {
  const { call, upstream } = await newHolder(locker, { policy: { paths: ["/v1/**"] } });
  const foldable = [
    "/v1/../admin",
    "/v1/%2e%2e/admin",
    "/v1/.%2E/admin",
    "/v1/..%2fadmin",
    "/v1/%2e%2e%2fadmin",
    "/v1%2f..%2fadmin",
    "/v1/a%5c..%5cadmin",
    "/v1/a\\..\\admin",
    "/v1/..;/admin",
    "/v1/;/admin",
    "/v1/a;b=c/d",
    "/v1//admin",
    "//v1/admin",
    "/v1/a%00b",
    "/v1/a%2fb",
    "/v1/./a",
    "/v1/%2e/a",
    "/v1/%zz",
    "/v1/%",
    "/v1/%ff",
    "/v1/%c0%ae%c0%ae/admin",
    "/v1/%252e%252e/admin",
    "/v1/..%252fadmin",
    "/v1/%ef%bc%8e%ef%bc%8e/admin",
  ];
  for (const path of foldable) {
    const refused = await call(path);
    expect([path, refused.status, problemIn(refused).code]).toEqual([path, 421, "target_refused"]);
  }
  expect(upstream.seen).toHaveLength(0);
});

test("what is left encoded after one decoding is a name like any other, and stays as it was written", async () => {
  const { call, upstream } = await newHolder(locker, { policy: { paths: ["/v1/*"] } });
  expect(verdict(await call("/v1/%2541%2520b"))).toBe("allowed");
  expect(upstream.seen[0]?.url).toBe("/v1/%2541%2520b");
});

test("a token reaches the keys of its policy; others and absent ones look the same", async () => {
  const person = await newPerson(locker);
  const { upstream } = await newHolder(locker);
  for (const name of ["mine", "other"]) await storeKey(person, name, upstream.origin);
  const { token } = await mintToken(person, { keys: ["mine"] });
  const ask = (name: string) =>
    send(`${locker.proxyOrigin}/v1/proxy/${name}/v1`, { headers: { authorization: `Bearer ${token}` } });
  expect((await ask("mine")).status).toBe(200);
  const [foreign, absent] = [await ask("other"), await ask("absent")];
  expect([foreign.status, absent.status]).toEqual([404, 404]);
  expect(problemIn(foreign).detail).toBe(problemIn(absent).detail);
  for (const name of ["..", "%2e%2e", "a%2fb", "x".repeat(200), "'", "%00"]) expect((await ask(name)).status).toBe(404);
});

test("a paused token and a paused key are 423 at the very next call, and work again when resumed", async () => {
  const { call, person, token_id } = await newHolder(locker);
  for (const thing of [`/v1/tokens/${token_id}`, "/v1/keys/api"]) {
    await person.api("POST", `${thing}/pause`);
    expect(await call("/v1")).toMatchObject({ status: 423 });
    await person.api("POST", `${thing}/resume`);
    expect(await call("/v1")).toMatchObject({ status: 200 });
  }
});

test("a refusal names the rule, and its row is there before the refusal is", async () => {
  const { call, person } = await newHolder(locker, { policy: { methods: ["GET"] } });
  const refused = await call("/v1/refused", { method: "DELETE" });
  const row = (await activity(person)).find(({ id }) => id === problemIn(refused).request_id);
  expect(row).toMatchObject({ outcome: "refused", rule: "methods", method: "DELETE", path: "/v1/refused" });
});

test("a revoked token is refused at the next call", async () => {
  const { call, person, token_id, upstream } = await newHolder(locker);
  await call("/v1");
  await person.api("DELETE", `/v1/tokens/${token_id}`);
  expect((await call("/v1")).status).toBe(401);
  expect(upstream.seen).toHaveLength(1);
  await eventually(async () =>
    (await activity(person)).some(({ rule, outcome }) => rule === "revoked" && outcome === "refused"),
  );
});
