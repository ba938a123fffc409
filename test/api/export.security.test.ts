import { expect, it } from "vitest";
import { SECRET } from "../support/holder.ts";
import { newPerson, storeKey, usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

it("an export holds everything that an account has, and no secret of it", async () => {
  const ada = await newPerson(locker);
  await ada.api("PATCH", "/v1/me", { name: "Ada's" });
  const key = await storeKey(ada, "openai", "https://api.openai.com", { secret: SECRET, tags: ["work"] });
  await ada.api("PATCH", "/v1/keys/openai", { name: "openai-2" });
  await ada.api("POST", "/v1/keys/openai/rotate", { secret: `${SECRET}-2` });
  const rotating = await ada.api<Record<string, string>>("POST", "/v1/tokens", { name: "app", rotation: "daily" });
  const webhook = await ada.api<Record<string, string>>("POST", "/v1/webhooks", { url: "https://hooks.example.com/x" });

  await ada.api("POST", "/v1/prices", { provider: "openai", model: "gpt-4o", input: 1, output: 2 });

  const answer = await ada.fetch("/v1/me/export");
  const text = await answer.text();
  const exported = JSON.parse(text) as Record<string, unknown>;
  expect(exported).toMatchObject({
    name: "Ada's",
    identities: [{ subject: expect.any(String) }],
    keys: [{ id: key.id, name: "openai-2", former_names: ["openai"], versions: [{ version: 2 }, { version: 1 }] }],
    tokens: [{ id: rotating.id, rotation: "daily", generations: [{ generation: 0 }] }],
    sessions: [{ current: true }],
    webhooks: [{ id: webhook.id }],
    devices: [],
    grants: [],
    alerts: [],
    trusts: [],
    deleted_keys: [],
    prices: [{ provider: "openai", model: "gpt-4o", input: 1, output: 2, own: true }],
    spend: [],
  });
  expect(await ada.api("GET", "/v1/me/identities")).toEqual({ items: exported.identities });
  expect(exported.alert_settings).toHaveProperty("refresh_reuse");
  const secrets = [SECRET, rotating.token, rotating.refresh_token, webhook.secret, ada.cookie];
  for (const secret of secrets) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/alk_|whsec_/);
});
