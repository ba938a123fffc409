import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { exportedAccount } from "../../src/api/export_account.ts";
import { Export } from "../../src/api/schema/account.ts";
import { newVault, sql, storeKey } from "../support/vault.ts";

it("an account's export is one JSON text, however many keys and tokens there are", async () => {
  const vault = await newVault();
  for (const name of ["one", "two"]) await storeKey(vault, name);
  // More than one answer of a vault may hold: every command that is run through the proxy leaves one.
  await sql(
    vault,
    `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 100500)
     INSERT INTO token (id, kind, hash, name, policy, created_at, revoked_at)
     SELECT printf('tok_%026d', n), 'app', printf('h%d', n), 'run', '{"keys":["key_0123456789"],"methods":["GET","POST"]}', 1, 2 FROM n`,
  );
  const who = { vault_id: vault.id, caller: vault.ada };
  const exported = Export.parse(await (await exportedAccount(env, vault.stub, who)).json());
  expect(exported.keys.map(({ name }) => name)).toEqual(["two", "one"]);
  expect(new Set(exported.tokens.map(({ id }) => id)).size).toBe(100_500);
  expect(exported.tokens).toHaveLength(100_500);
}, 60_000);
