import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { configOf } from "../../src/config.ts";
import { verifyToken } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import { sessionObjectName } from "../../src/vault/calls/mcp_sessions.ts";
import { GUESTS } from "../../src/vault/calls/visit.ts";
import { held } from "../../src/vault/surface.ts";
import { issueTokens } from "../../src/vault/tokens/access_tokens.ts";
import type { Caller } from "../../src/vault/tokens/caller.ts";
import { grantTo, inside, newVault, ORIGIN, refusalOf, runAlarm, sql, travel, type Vault } from "../support/vault.ts";

const DAY_MS = 86_400_000;

/** The client as it comes by now: access tokens end with their hour. */
async function refreshed(vault: Vault, grant_id: string): Promise<Caller> {
  const token = await inside(vault, (object) => {
    const parts = object[held];
    const grant = parts?.grants.find(grant_id);
    return parts && grant ? issueTokens(parts, grant, undefined, ORIGIN, Date.now()).token : "";
  });
  const { hash } = verifyToken(configOf(env).token_keys, token);
  return { hash, kind: "oat", may: GUESTS, origin: ORIGIN };
}

/** The session's object as one that has been spoken to: what its agent writes is tables, entries and an alarm. */
const speakTo = (id: string) =>
  runInDurableObject(objectOf(id), async (_object, { storage }) => {
    storage.kv.put("apilocker:begun", true);
    storage.sql.exec("CREATE TABLE said (text TEXT)");
    await storage.setAlarm(Date.now() + 90 * DAY_MS);
  });

const objectOf = (id: string) => env.MCP_SESSION.getByName(sessionObjectName(id));

/** What an object holds: its tables, its entries, its alarm. */
const remains = (id: string) =>
  runInDurableObject(objectOf(id), async (_object, { storage }) => ({
    tables: storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'").toArray()
      .length,
    entries: (await storage.list()).size,
    alarm: await storage.getAlarm(),
  }));

it("a session that nobody has come to for thirty days is over, and nothing of it is left", async () => {
  const vault = await newVault();
  const { grant_id } = await grantTo(vault);
  const first = await refreshed(vault, grant_id);
  const [used, idle] = [await ask(vault.stub.openSession(first)), await ask(vault.stub.openSession(first))];
  for (const id of [used, idle]) await speakTo(id);
  expect((await remains(idle)).tables).toBeGreaterThan(0);

  travel(29 * DAY_MS);
  await runAlarm(vault);
  await ask(vault.stub.greet(await refreshed(vault, grant_id), used));
  travel(2 * DAY_MS);
  const later = await refreshed(vault, grant_id);
  expect(await refusalOf(ask(vault.stub.greet(later, idle)))).toBe("not_found session");
  expect(await refusalOf(ask(vault.stub.greet(later, used)))).toBe("accepted");
  await runAlarm(vault);
  expect(await sql(vault, "SELECT id FROM mcp_session")).toEqual([{ id: used }]);
  expect(await remains(idle)).toEqual({ tables: 0, entries: 0, alarm: null });
  expect((await remains(used)).tables).toBeGreaterThan(0);
});
