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
  ORIGIN,
  authorize,
  evict,
  grantTo,
  inside,
  newVault,
  outbox,
  refusalOf,
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
    const { child, grandchild } = await inside(vault, ({ [held]: parts }) => {
      if (parts === undefined) throw new Error("there is no vault");
      const mint = (parent_id: string): App => {
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
      };
      const child = mint(agent.grant_id);
      return { child, grandchild: mint(child.id) };
    });
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
