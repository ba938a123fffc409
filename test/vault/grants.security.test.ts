import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { configOf } from "../../src/config.ts";
import { mintToken } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import type { Authority, Caller } from "../../src/vault/tokens/caller.ts";
import { CUT } from "../../src/vault/calls/telling.ts";
import { held } from "../../src/vault/surface.ts";
import { cutFor, isHeld, openLeash } from "../support/leash.ts";
import {
  type App,
  type Vault,
  ORIGIN,
  authorize,
  derive,
  evict,
  grantTo,
  inside,
  newVault,
  outbox,
  refusalOf,
  sql,
  storeKey,
  travel,
} from "../support/vault.ts";

const callerOf = ({ hash }: App, ...may: Authority[]): Caller => ({ hash, kind: "oat", may, origin: ORIGIN });

describe("an access token at the proxy", () => {
  it("reaches the keys of its grant and no other, which is as absent as one that is not there", async () => {
    const vault = await newVault();
    const { id } = await storeKey(vault, "chosen");
    await storeKey(vault, "other");
    const agent = await grantTo(vault, { keys: [id] });
    expect((await authorize(vault, agent, "chosen")).secret).toEqual({ secret: "sk-chosen" });
    expect(await refusalOf(authorize(vault, agent, "other"))).toBe("not_found keys");
    expect(await refusalOf(authorize(vault, agent, "absent"))).toBe("not_found keys");
  });

  it("of a grant for every key reaches keys that are stored later; of a grant for none it reaches none", async () => {
    const vault = await newVault();
    const [all, none] = [await grantTo(vault), await grantTo(vault, { keys: [] })];
    await storeKey(vault, "later");
    expect((await authorize(vault, all, "later")).secret).toEqual({ secret: "sk-later" });
    expect(await refusalOf(authorize(vault, none, "later"))).toBe("not_found keys");
    expect(await refusalOf(authorize(vault, none, null))).toBe("not_found keys");
  });

  it("needs the scope vault:proxy, whatever else its grant is for", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const agent = await grantTo(vault, { scopes: ["vault:read", "vault:write", "vault:reveal"] });
    expect(await refusalOf(authorize(vault, agent, "k"))).toBe("insufficient_scope scopes");
  });

  it("is recorded under its grant, with the token that was shown", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const agent = await grantTo(vault);
    const { seq } = await authorize(vault, agent, "k");
    const row = (await outbox(vault)).find((one) => one.seq === seq);
    expect(row?.decision).toMatchObject({
      actor: { kind: "oauth", id: agent.grant_id, name: "Agent" },
      token: agent.id,
    });
    await ask(vault.stub.settle([{ seq, outcome: "ok" }]));
    expect(await ask(vault.stub.getGrant(vault.ada, agent.grant_id))).toMatchObject({ uses: 1, refused: 0 });
  });
});

describe("an access token that manages", () => {
  it("may do what its grant's scopes say: writing implies reading, nothing else implies anything", async () => {
    const vault = await newVault();
    const may = async (agent: App, authority: Authority) =>
      (await refusalOf(ask(vault.stub.listKeys(callerOf(agent, authority), undefined, 10, {})))) === "accepted";
    const table: [readonly Authority[], Parameters<typeof grantTo>[1]][] = [
      [["oauth:vault:read"], { scopes: ["vault:read"] }],
      [["oauth:vault:read", "oauth:vault:write"], { scopes: ["vault:write"] }],
      [["oauth:vault:proxy"], { scopes: ["vault:proxy"] }],
      [["oauth:vault:reveal"], { scopes: ["vault:reveal"] }],
    ];
    const every = ["oauth:vault:read", "oauth:vault:proxy", "oauth:vault:write", "oauth:vault:reveal"] as const;
    for (const [allowed, wishes] of table) {
      const agent = await grantTo(vault, wishes);
      for (const authority of every)
        expect(await may(agent, authority), `${JSON.stringify(wishes)} ${authority}`).toBe(allowed.includes(authority));
    }
    const whole = await grantTo(vault, { scopes: ["vault:read", "vault:proxy", "vault:write", "vault:reveal"] });
    for (const authority of ["session", "session_recent", "device", "app"] as const)
      expect(await may(whole, authority)).toBe(false);
  });

  it("ends with its own hour and with its grant's time, whichever is first", async () => {
    const vault = await newVault();
    const [hour, minute] = [await grantTo(vault), await grantTo(vault, { expires_at: Date.now() + 60_000 })];
    const look = (agent: App) =>
      refusalOf(ask(vault.stub.listKeys(callerOf(agent, "oauth:vault:read"), undefined, 10, {})));
    travel(61_000);
    expect([await look(hour), await look(minute)]).toEqual(["accepted", "invalid_token expired"]);
    travel(60 * 60_000);
    expect(await look(hour)).toBe("invalid_token expired");
  });
});

/** An app token as a person lets a client have it, or as it makes one of its own. */
function mintUnder(vault: Vault, parent_id: string): Promise<App> {
  return inside(vault, ({ [held]: parts }) => {
    if (parts === undefined) throw new Error("there is no vault");
    const { token, hash } = mintToken(configOf(env).token_keys, "app", vault.id);
    const fresh = {
      kind: "app",
      hash,
      parent_id,
      name: "child",
      policy: {},
      expires_at: null,
      signed_in_at: null,
    } as const;
    return { token, hash, id: parts.tokens.add(fresh, Date.now()).id };
  });
}

describe("narrowing a grant", () => {
  it("holds from the next request on, for tokens that are out already", async () => {
    const vault = await newVault();
    const [one] = [await storeKey(vault, "one"), await storeKey(vault, "two")];
    const agent = await grantTo(vault);
    await authorize(vault, agent, "two");
    await ask(vault.stub.narrowGrant(vault.ada, agent.grant_id, { keys: ["one"] }));
    expect(await refusalOf(authorize(vault, agent, "two"))).toBe("not_found keys");
    expect(await refusalOf(authorize(vault, agent, "one"))).toBe("accepted");
    expect(await ask(vault.stub.getGrant(vault.ada, agent.grant_id))).toMatchObject({ keys: [one.id] });
    await ask(vault.stub.narrowGrant(vault.ada, agent.grant_id, { scopes: ["vault:read"] }));
    expect(await refusalOf(authorize(vault, agent, "one"))).toBe("insufficient_scope scopes");
    await evict(vault);
    expect(await refusalOf(authorize(vault, agent, "one"))).toBe("insufficient_scope scopes");
  });

  it("cuts what is open and no longer allowed, and leaves the rest", async () => {
    const vault = await newVault();
    await storeKey(vault, "one");
    await storeKey(vault, "two");
    const agent = await grantTo(vault);
    const kept = await openLeash(vault, await authorize(vault, agent, "one"));
    const lost = await openLeash(vault, await authorize(vault, agent, "two"));
    await ask(vault.stub.narrowGrant(vault.ada, agent.grant_id, { keys: ["one"] }));
    expect(await lost.closed).toEqual(cutFor("keys"));
    expect(await isHeld(vault, kept)).toBe(true);
  });

  it("narrows what was minted under the grant too, and what was derived from that", async () => {
    const vault = await newVault();
    const [one] = [await storeKey(vault, "one"), await storeKey(vault, "two")];
    const agent = await grantTo(vault);
    const child = await mintUnder(vault, agent.grant_id);
    const grandchild = await mintUnder(vault, child.id);
    const lost = await openLeash(vault, await authorize(vault, child, "two"));
    const lost_too = await openLeash(vault, await authorize(vault, grandchild, "two"));
    await ask(vault.stub.narrowGrant(vault.ada, agent.grant_id, { keys: [one.id] }));
    for (const token of [child, grandchild]) {
      expect(await refusalOf(authorize(vault, token, "one"))).toBe("accepted");
      expect(await refusalOf(authorize(vault, token, "two"))).toBe("not_found keys");
    }
    expect([(await lost.closed).code, (await lost_too.closed).code]).toEqual([CUT, CUT]);
    await ask(vault.stub.revokeGrant(vault.ada, agent.grant_id));
    for (const token of [child, grandchild])
      expect(await refusalOf(authorize(vault, token, "one"))).toBe("invalid_token revoked");
  });

  it("of a scope takes from all that was minted under it what needs that scope, and nothing else", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const may = async (app: App) => ({
      see: await refusalOf(ask(vault.stub.allowedKeys({ ...callerOf(app, "app"), kind: "app" }, undefined, 10))),
      call: await refusalOf(authorize(vault, app, "k")),
      derive: await refusalOf(derive(vault, app)),
    });
    const all = { see: "accepted", call: "accepted", derive: "accepted" };
    const no = "insufficient_scope scopes";
    for (const [scopes, left] of [
      [["vault:proxy", "vault:write"], all],
      [["vault:read", "vault:write"], { ...all, call: no }],
      [["vault:read", "vault:proxy"], { ...all, derive: no }],
      [["vault:proxy"], { call: "accepted", see: no, derive: no }],
      [[], { see: no, call: no, derive: no }],
    ] as const) {
      const agent = await grantTo(vault, { scopes: ["vault:read", "vault:proxy", "vault:write", "vault:reveal"] });
      const child = await mintUnder(vault, agent.grant_id);
      const grandchild = await derive(vault, child);
      const open = await openLeash(vault, await authorize(vault, grandchild, "k"));
      expect([await may(child), await may(grandchild)]).toEqual([all, all]);
      await ask(vault.stub.narrowGrant(vault.ada, agent.grant_id, { scopes }));
      expect([await may(child), await may(grandchild)], scopes.join()).toEqual([left, left]);
      if (left.call === no) expect(await open.closed).toEqual(cutFor("scopes"));
      else expect(await isHeld(vault, open)).toBe(true);
      await evict(vault);
      expect(await may(grandchild)).toEqual(left);
      // What its owner says of the token is said of the token: it takes nothing more away, and gives nothing back.
      await ask(vault.stub.changeToken(vault.ada, child.id, { name: "other", policy: { methods: ["GET"] } }));
      expect(await may(child)).toEqual(left);
      const [row] = await sql<{ policy: string }>(vault, `SELECT policy FROM token WHERE id = '${child.id}'`);
      expect(JSON.parse(row?.policy ?? "")).toEqual({ methods: ["GET"] });
    }
  });

  it("in time ends what was minted under it then, too, and tells open streams so", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const agent = await grantTo(vault);
    const child = await mintUnder(vault, agent.grant_id);
    const ends = Date.now() + 60_000;
    await ask(vault.stub.narrowGrant(vault.ada, agent.grant_id, { expires_at: ends }));
    expect((await authorize(vault, child, "k")).not_after).toBe(ends);
    travel(61_000);
    expect(await refusalOf(authorize(vault, child, "k"))).toBe("invalid_token expired");
  });

  it("lets its client ask for no app token that could call where it cannot itself", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const agent = await grantTo(vault, { scopes: ["vault:write", "vault:proxy"] });
    const wish = { kind: "mint", name: "t", policy: {}, rotation: "static" } as const;
    const wanted = () => ask(vault.stub.createPageLink(callerOf(agent, "oauth:vault:write"), wish));
    const { handle } = await wanted();
    await ask(vault.stub.narrowGrant(vault.ada, agent.grant_id, { scopes: ["vault:write"] }));
    expect(await refusalOf(wanted())).toBe("insufficient_scope scopes");
    expect(await refusalOf(ask(vault.stub.usePageLink(vault.ada, handle, {})))).toBe("insufficient_scope scopes");
  });

  it("never gives anything", async () => {
    const vault = await newVault();
    const one = await storeKey(vault, "one");
    await storeKey(vault, "two");
    const agent = await grantTo(vault, { scopes: ["vault:read"], keys: [one.id], expires_at: Date.now() + 1_000 });
    const narrow = (to: object) => refusalOf(ask(vault.stub.narrowGrant(vault.ada, agent.grant_id, to)));
    expect(await narrow({ scopes: ["vault:read", "vault:reveal"] })).toBe("invalid_request");
    expect(await narrow({ scopes: ["vault:write"] })).toBe("invalid_request");
    expect(await narrow({ keys: ["one", "two"] })).toBe("invalid_request");
    expect(await narrow({ expires_at: Date.now() + 60_000 })).toBe("invalid_request");
    expect(await ask(vault.stub.getGrant(vault.ada, agent.grant_id))).toMatchObject({
      scopes: ["vault:read"],
      keys: [one.id],
    });
  });
});

describe("pausing a grant", () => {
  it("stops its client until it is resumed, which an ended grant cannot be", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const agent = await grantTo(vault);
    const leash = await openLeash(vault, await authorize(vault, agent, "k"));
    await ask(vault.stub.pauseGrant(vault.ada, agent.grant_id));
    expect(await leash.closed).toEqual(cutFor("token_paused"));
    expect(await refusalOf(authorize(vault, agent, "k"))).toBe("paused token_paused");
    expect(await ask(vault.stub.resumeGrant(vault.ada, agent.grant_id))).toMatchObject({ paused_at: null });
    expect(await refusalOf(authorize(vault, agent, "k"))).toBe("accepted");
    await ask(vault.stub.revokeGrant(vault.ada, agent.grant_id));
    expect(await refusalOf(ask(vault.stub.resumeGrant(vault.ada, agent.grant_id)))).toBe("conflict");
  });
});

describe("revoking a grant", () => {
  it("ends its tokens and what they have open at once, and answers a receipt, the same one again", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const agent = await grantTo(vault);
    const leash = await openLeash(vault, await authorize(vault, agent, "k"));
    const receipt = await ask(vault.stub.revokeGrant(vault.ada, agent.grant_id));
    expect(receipt).toMatchObject({ id: agent.grant_id, streams_cut: 1, in_flight: 0 });
    expect(await leash.closed).toEqual(cutFor("revoked"));
    expect(await refusalOf(authorize(vault, agent, "k"))).toBe("invalid_token revoked");
    expect(await refusalOf(ask(vault.stub.listKeys(callerOf(agent, "oauth:vault:read"), undefined, 10, {})))).toBe(
      "invalid_token revoked",
    );
    const again = await ask(vault.stub.revokeGrant(vault.ada, agent.grant_id));
    expect(again.revoked_at).toBe(receipt.revoked_at);
    expect((await outbox(vault)).filter(({ decision }) => decision.action === "grant.revoke")).toHaveLength(1);
    expect(await ask(vault.stub.listGrants(vault.ada, undefined, 10))).toEqual([]);
  });

  it("of one install leaves another install of the same client alone", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const [laptop, desktop] = [await grantTo(vault), await grantTo(vault)];
    await ask(vault.stub.revokeGrant(vault.ada, laptop.grant_id));
    expect(await refusalOf(authorize(vault, laptop, "k"))).toBe("invalid_token revoked");
    expect(await refusalOf(authorize(vault, desktop, "k"))).toBe("accepted");
  });

  it("overtakes a call whose secret is still being opened", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const agent = await grantTo(vault);
    await evict(vault);
    const calls = Array.from({ length: 5 }, () => refusalOf(authorize(vault, agent, "k")));
    await ask(vault.stub.revokeGrant(vault.ada, agent.grant_id));
    expect(await refusalOf(authorize(vault, agent, "k"))).toBe("invalid_token revoked");
    await Promise.all(calls);
  });

  it("another vault's grant is as absent as one that is not there", async () => {
    const [mine, foreign] = [await newVault(), await newVault()];
    const agent = await grantTo(foreign);
    const look = (id: string) => refusalOf(ask(mine.stub.revokeGrant(mine.ada, id)));
    expect(await look(agent.grant_id)).toBe(await look("grt_absent"));
  });
});
