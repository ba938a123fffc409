import { expect, it } from "vitest";
import { usualLocker } from "../support/locker.ts";

const locker = await usualLocker();
const ask = (method: string, path: string, headers: Record<string, string> = {}) =>
  fetch(locker.publicOrigin + path, { method, headers, redirect: "manual" });

it.each([
  ["POST", "/docs", "GET, HEAD"],
  ["DELETE", "/openapi.json", "GET, HEAD"],
  ["POST", "/apilocker.tgz", "GET, HEAD"],
  ["POST", "/style.css", "GET, HEAD"],
  ["POST", "/problems", "GET, HEAD"],
  ["PATCH", "/health", "GET, HEAD"],
  ["POST", "/sign-in", "GET, HEAD"],
  ["PUT", "/keys/openai", "GET, HEAD"],
  ["GET", "/auth/sign-out", "POST"],
  ["GET", "/auth/oidc/link", "POST"],
  ["DELETE", "/auth/oidc", "GET, HEAD"],
  ["PUT", "/authorize", "GET, HEAD, POST"],
  ["DELETE", "/device", "GET, HEAD, POST"],
  ["POST", "/.well-known/security.txt", "GET, HEAD, OPTIONS"],
  ["POST", "/.well-known/oauth-authorization-server", "GET, HEAD, OPTIONS"],
  ["PUT", "/.well-known/oauth-protected-resource/v1/mcp", "GET, HEAD, OPTIONS"],
  ["POST", "/v1/mcp/.well-known/openid-configuration", "GET, HEAD, OPTIONS"],
  ["POST", "/register/cli_x", "GET, HEAD, PUT, DELETE, OPTIONS"],
  ["GET", "/device_authorization", "POST, OPTIONS"],
  ["GET", "/token", "POST, OPTIONS"],
  ["GET", "/introspect", "POST"],
  ["HEAD", "/v1/keys/k/rotate", "POST"],
])("%s of what is served otherwise, %s, is told how (RFC 9110 §15.5.6)", async (method, path, allow) => {
  const answer = await ask(method, path);
  expect([answer.status, answer.headers.get("allow")]).toEqual([405, allow]);
});

it("a person in a browser reads that on a page, and so that there is nothing", async () => {
  for (const [method, path, status] of [
    ["POST", "/docs", 405],
    ["GET", "/nowhere", 404],
    ["HEAD", "/nowhere", 404],
  ] as const) {
    const answer = await ask(method, path, { accept: "text/html" });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([status, "text/html; charset=utf-8"]);
    expect(answer.headers.get("allow")).toBe(status === 405 ? "GET, HEAD" : null);
  }
});

it("nothing is there by any method but the one that browsers ask with in advance", async () => {
  for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    for (const path of ["/nowhere", "/v1/nowhere", "/.well-known/nowhere", "/docs/", "//docs", "/v1/mcp/"])
      expect([method, path, (await ask(method, path)).status]).toEqual([method, path, 404]);
});
