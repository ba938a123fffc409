import { env } from "cloudflare:workers";
import { listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { it, expect } from "vitest";
it("probe", async () => {
  const stub = env.USER_VAULT.getByName("nobody");
  const r = await stub.signIn("acc", { issuer: "a", subject: "b", email: null, name: null }, { ip: "", country: "", user_agent: "" });
  console.log(JSON.stringify(r), (await listDurableObjectIds(env.USER_VAULT)).length);
  await runInDurableObject(stub, (_i, s) => console.log(JSON.stringify([...s.storage.sql.exec("select * from sqlite_master")]), s.storage.sql.databaseSize));
  expect(1).toBe(1);
});
