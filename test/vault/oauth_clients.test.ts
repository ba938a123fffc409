import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { addClient, findClient, noteClientUse, type RegisteredClient } from "../../src/directory/clients.ts";

const DAY_MS = 86_400_000;
const BORN = Date.UTC(2026, 0, 1);

async function client(id: string, created_at = BORN): Promise<RegisteredClient> {
  const stored = { id, metadata: "{}", secret_hash: null, registration_hash: "h", created_at };
  await addClient(env.DB, stored);
  return { ...stored, used_at: null };
}
const isThere = async (id: string, now: number) => (await findClient(env.DB, id, now)) !== undefined;

it("a registered client that nobody uses is gone after seven days", async () => {
  await client("cli_unused");
  expect(await isThere("cli_unused", BORN + 6 * DAY_MS)).toBe(true);
  expect(await isThere("cli_unused", BORN + 8 * DAY_MS)).toBe(false);
});

it("one that is used stays, and outlives by far any refresh token that could still be shown", async () => {
  const used = await client("cli_used");
  await noteClientUse(env.DB, used, BORN + DAY_MS);
  expect(await isThere("cli_used", BORN + 80 * DAY_MS)).toBe(true);
  const again = (await findClient(env.DB, "cli_used", BORN + 80 * DAY_MS)) as RegisteredClient;
  await noteClientUse(env.DB, again, BORN + 80 * DAY_MS);
  expect(await isThere("cli_used", BORN + 160 * DAY_MS)).toBe(true);
  expect(await isThere("cli_used", BORN + 180 * DAY_MS)).toBe(false);
});

it("being used is noted once a day, not with every token", async () => {
  const used = await client("cli_busy");
  await noteClientUse(env.DB, used, BORN);
  const noted = (await findClient(env.DB, "cli_busy", BORN)) as RegisteredClient;
  await noteClientUse(env.DB, noted, BORN + DAY_MS / 2);
  expect((await findClient(env.DB, "cli_busy", BORN))?.used_at).toBe(BORN);
});

it("what has expired is swept away by those who come after", async () => {
  for (let n = 0; n < 5; n++) await client(`cli_old_${n}`);
  await client("cli_new", BORN + 30 * DAY_MS);
  const left = await env.DB.prepare("SELECT count(*) AS n FROM oauth_client WHERE id LIKE 'cli_old_%'").first<{
    n: number;
  }>();
  expect(left?.n).toBe(0);
});
