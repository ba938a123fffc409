import { expect, it } from "vitest";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { call, current, letIn, resultOf, type Client } from "../support/mcp.ts";

const locker = await usualLocker();

/** A client that was given one key of two; everything about the other one carries a word that it must never read. */
async function halfBlind(): Promise<
  Client & { mine: string; hidden: string; tokens: { all: string; both: string; mine: string } }
> {
  const ada = await newPerson(locker);
  const mine = await storeKey(ada, "mine", "http://127.0.0.1:9");
  const hidden = await storeKey(ada, "forbidden-key", "http://127.0.0.1:9/forbidden", { tags: ["forbidden-tag"] });
  const all = await mintToken(ada, {}, "forbidden-all");
  const both = await mintToken(ada, { keys: ["mine", "forbidden-key"] }, "forbidden-both");
  const ours = await mintToken(ada, { keys: ["mine"] }, "ours");
  await letIn(locker, ada, { keys: [hidden.id] });
  await ada.api("POST", "/v1/keys/forbidden-key/pause");
  await ada.api("POST", "/v1/keys/mine/pause");
  const client = await letIn(locker, ada, { keys: [mine.id] });
  return { ...client, mine: mine.id, hidden: hidden.id, tokens: { all: all.id, both: both.id, mine: ours.id } };
}

it("a choice of keys filters everything that can be read", async () => {
  const client = await halfBlind();
  for (const [name, args] of [
    ["list_keys", {}],
    ["list_keys", { q: "forbidden" }],
    ["list_keys", { tag: "forbidden-tag" }],
    ["get_activity", { limit: 200 }],
    ["get_activity", { key: "forbidden-key" }],
    ["get_activity", { q: "forbidden" }],
    ["run_doctor", {}],
    ["list_tokens", {}],
    ["list_devices", {}],
    ["list_clients", {}],
  ] as const) {
    const { text, error } = await call(client, name, args);
    expect(error, name).toBeUndefined();
    expect(text, name).not.toContain("forbidden");
    expect(text, name).not.toContain(client.hidden);
  }
  const keys = (await call(client, "list_keys")).structured as { items: { id: string }[] };
  expect(keys.items.map(({ id }) => id)).toEqual([client.mine]);
  const rows = (await call(client, "get_activity", { limit: 200 })).structured as { items: { action: string }[] };
  expect(rows.items.map(({ action }) => action)).toEqual(
    expect.arrayContaining(["key.create", "key.pause", "tool.call"]),
  );
  const tokens = (await call(client, "list_tokens")).structured as { items: { id: string }[] };
  expect(tokens.items.map(({ id }) => id)).toEqual([client.tokens.mine]);
  const clients = (await call(client, "list_clients")).structured as { items: { id: string }[] };
  expect(clients.items.map(({ id }) => id)).toEqual([client.grant_id]);
});

it("resources and completions show no more than tools", async () => {
  const client = await halfBlind();
  const listed = await current(client, "resources/list");
  expect(listed.text).not.toContain("forbidden");
  for (const uri of ["locker://keys", "locker://activity"])
    expect((await current(client, "resources/read", { uri })).text).not.toContain("forbidden");
  const absent = await current(client, "resources/read", { uri: "locker://keys/forbidden-key" });
  const nothing = await current(client, "resources/read", { uri: "locker://keys/no-such-key" });
  expect(absent.text.replaceAll("forbidden-key", "no-such-key")).toBe(nothing.text);
  const ref = { type: "ref/resource", uri: "locker://keys/{name}" };
  const completed = await current(client, "completion/complete", { ref, argument: { name: "name", value: "f" } });
  expect(resultOf(completed)).toMatchObject({ completion: { values: [] } });
});

it("what is outside is absent to whoever would change it, by name and by id", async () => {
  const client = await halfBlind();
  for (const key of ["forbidden-key", client.hidden])
    for (const tool of ["get_key_metadata", "pause_key", "resume_key", "delete_key", "proxy_request"]) {
      const args = tool === "proxy_request" ? { key, path: "/" } : { key };
      expect((await call(client, tool, args)).error, tool).toMatchObject({ code: "not_found" });
    }
  expect((await call(client, "rename_key", { key: client.hidden, name: "x" })).error).toMatchObject({
    code: "not_found",
  });
  for (const id of [client.tokens.all, client.tokens.both])
    for (const tool of ["explain_access", "pause_token", "resume_token", "revoke_token"])
      expect(
        (await call(client, tool, tool === "explain_access" ? { token_id: id, key: "mine" } : { id })).error,
        tool,
      ).toMatchObject({ code: "not_found" });
  expect((await call(client, "resume_key", { key: "mine" })).structured).toMatchObject({ paused: false });
});
