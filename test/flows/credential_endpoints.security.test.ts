import { afterAll, beforeAll, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { activity, mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
let ada: Person;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
  ada = await newPerson(locker);
  await storeKey(ada, "openai", upstream.origin, { provider: "openai" });
  await storeKey(ada, "elevenlabs", upstream.origin, { provider: "elevenlabs" });
  await storeKey(ada, "github", `${upstream.origin}/api/v3`, { provider: "github" });
});
afterAll(() => upstream.stop());

async function call(
  key: string,
  method: string,
  path: string,
  policy: object = {},
  headers: Record<string, string> = {},
) {
  const { token } = await mintToken(ada, policy);
  upstream.seen.length = 0;
  const response = await fetch(`${locker.proxyOrigin}/v1/proxy/${key}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  return { status: response.status, body: await response.text(), reached: upstream.seen.length > 0 };
}

it.each([
  ["openai", "POST", "/v1/organization/admin_api_keys"],
  ["elevenlabs", "GET", "/v1/user"],
  ["elevenlabs", "HEAD", "/v1/user"],
  ["github", "PATCH", "/applications/abc/token"],
  ["github", "POST", "/app/installations/1/access_tokens"],
  ["openai", "POST", "/v1/Organization/Admin_API_Keys/"],
  ["openai", "POST", "/v1/organization/%61dmin_api_keys"],
  ["openai", "POST", "/v1//organization/admin_api_keys"],
  ["openai", "POST", "/v1/organization%2fadmin_api_keys"],
])("a call that mints or shows credentials is refused by default: %s %s %s", async (key, method, path) => {
  const { status, reached } = await call(key, method, path);
  expect([403, 421]).toContain(status);
  expect(reached).toBe(false);
});

it("the refusal names its rule, in the answer and in the row", async () => {
  const { body } = await call("openai", "POST", "/v1/organization/admin_api_keys");
  expect(JSON.parse(body)).toMatchObject({ code: "policy_denied", rule: "allow_credential_endpoints" });
  expect((await activity(ada))[0]).toMatchObject({ outcome: "refused", rule: "allow_credential_endpoints" });
});

it("an override header does not turn it into another call", async () => {
  const { status } = await call(
    "openai",
    "PUT",
    "/v1/organization/admin_api_keys",
    {},
    { "x-http-method-override": "POST" },
  );
  expect(status).toBe(403);
});

it("a policy may allow it, and everything else was never refused", async () => {
  expect(
    await call("openai", "POST", "/v1/organization/admin_api_keys", { allow_credential_endpoints: true }),
  ).toMatchObject({ status: 200, reached: true });
  expect(await call("openai", "POST", "/v1/chat/completions")).toMatchObject({ status: 200, reached: true });
});
