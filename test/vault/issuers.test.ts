import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { configOf } from "../../src/config.ts";
import { issuerKeys } from "../../src/oauth/issuer_keys.ts";

const DAY_MS = 86_400_000;

/** An issuer that names other keys each time it is asked, as one that wants us to keep them all. */
function hostileIssuers(): void {
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
    const { url } = new Request(input);
    const [issuer] = url.split("/.well-known");
    const told = url.endsWith("/keys") ? { keys: [] } : { issuer, jwks_uri: `${issuer}/keys` };
    return Response.json(told);
  });
}

const keysOf = (issuer: number, vault_id: string) =>
  issuerKeys(env, configOf(env), { issuer: `https://i${issuer}.issuers-example.com`, vault_id }, "stored");
const kept = async () =>
  (await env.DB.prepare("SELECT count(*) AS n FROM client_document WHERE url GLOB 'issuer *'").first<{ n: number }>())
    ?.n;

it("one vault makes us read and keep so many documents of issuers a day and no more, and another goes on", async () => {
  hostileIssuers();
  expect(await keysOf(1, "a")).toEqual({ keys: [] });
  // Of 200 all but two are used up by now.
  await env.DB.prepare("UPDATE attempt SET count = 198 WHERE name = 'issuers of a' AND count = 2").run();
  expect(await keysOf(2, "a")).toEqual({ keys: [] });
  expect(await keysOf(3, "a")).toBeUndefined();
  expect(await keysOf(1, "a")).toEqual({ keys: [] });
  expect(await kept()).toBe(4);
  expect(await keysOf(3, "b")).toEqual({ keys: [] });
  // Nothing is kept for long: what comes later sweeps it away.
  vi.setSystemTime(Date.now() + 3 * DAY_MS);
  expect(await keysOf(4, "a")).toEqual({ keys: [] });
  expect(await kept()).toBe(2);
});

it("one that cannot be read is not counted: it is nobody's but its own fault, and nothing is kept", async () => {
  vi.spyOn(globalThis, "fetch").mockRejectedValue(new Error("away"));
  for (let asked = 0; asked < 3; asked++) expect(await keysOf(5, "c")).toBeUndefined();
  const counted = await env.DB.prepare("SELECT count FROM attempt WHERE name = 'issuers of c'").first();
  expect(counted).toEqual({ count: 0 });
});
