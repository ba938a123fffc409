import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, inject, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { held } from "../../src/vault/surface.ts";
import type { UserVault } from "../../src/vault/vault.ts";
import { cutFor, isHeld, openLeash } from "../support/leash.ts";
import {
  ORIGIN,
  type App,
  type Vault,
  askFor,
  authorize,
  evict,
  grantTo,
  inside,
  issueTo,
  mintApp,
  newVault,
  outbox,
  refusalOf,
  sql,
  storeKey,
  travel,
} from "../support/vault.ts";

type Change = (vault: UserVault, ada: Vault["ada"], app: App, key_id: string) => Promise<unknown>;

const CHANGES: Record<string, { change: Change; refusal: string; rule: string }> = {
  "the token is revoked": {
    change: (v, ada, { id }) => v.revokeToken(ada, id),
    refusal: "invalid_token revoked",
    rule: "revoked",
  },
  "the token is paused": {
    change: (v, ada, { id }) => v.pauseToken(ada, id),
    refusal: "paused token_paused",
    rule: "token_paused",
  },
  "the key is paused": {
    change: (v, ada, _app, key) => v.pauseKey(ada, key),
    refusal: "paused key_paused",
    rule: "key_paused",
  },
  "the key is deleted": {
    change: (v, ada, _app, key) => v.deleteKey(ada, key),
    refusal: "not_found keys",
    rule: "keys",
  },
  "the token's policy is narrowed": {
    change: (v, ada, { id }) => v.changeToken(ada, id, { policy: { methods: ["PUT"] } }),
    refusal: "policy_denied methods",
    rule: "methods",
  },
};

/** A vault whose secret is nowhere at hand: opening it takes two answers of KV. */
async function coldVault(): Promise<{ vault: Vault; app: App; key_id: string }> {
  const vault = await newVault();
  const { id } = await storeKey(vault, "k");
  const app = await mintApp(vault);
  await sql(vault, "UPDATE key_version SET sealed = NULL");
  await evict(vault);
  return { vault, app, key_id: id };
}

/** KV answers nothing before it is let. */
function slowKv(): { asked: () => number; answer: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const get = env.BLOBS.get.bind(env.BLOBS) as (name: string, type: "arrayBuffer") => Promise<ArrayBuffer | null>;
  const spy = vi.spyOn(env.BLOBS, "get").mockImplementation((async (name: string) => {
    await promise;
    return get(name, "arrayBuffer");
  }) as never);
  return { asked: () => spy.mock.calls.length, answer: resolve };
}

describe.each(Object.entries(CHANGES))(
  "when %s between the judgement and the opening",
  (_what, { change, refusal, rule }) => {
    it("the call is refused, its row says why, and the secret stays inside", async () => {
      const { vault, app, key_id } = await coldVault();
      const kv = slowKv();
      const answer = await inside(vault, async (object) => {
        const calling = object.authorize(askFor(app, "k"), []);
        // The vault's share is asked for at once; the blob only after the judgement.
        await vi.waitUntil(() => kv.asked() > 1, 20_000);
        await change(object, vault.ada, app, key_id);
        kv.answer();
        return calling;
      });
      expect(await refusalOf(ask(Promise.resolve(answer)))).toBe(refusal);
      const row = (await outbox(vault)).find(({ decision }) => decision.action === "proxy.call");
      expect(row).toMatchObject({ pending: false, outcome: { outcome: "refused", rule } });
    });
  },
);

describe("when the one access token is given up that a call came with, though its client has another of the same generation", () => {
  async function twoAccesses(): Promise<{ vault: Vault; one: App; other: App }> {
    const vault = await newVault();
    await storeKey(vault, "k");
    const one = await issueTo(vault, (await grantTo(vault)).grant_id);
    await inside(vault, (object) => {
      const tokens = object[held]?.tokens;
      const generation = tokens?.look(one.hash)?.generation ?? 0;
      tokens?.addAccess(one.id, { hash: "other", generation, expires_at: Date.now() + 7_200_000 });
    });
    return { vault, one, other: { ...one, hash: "other" } };
  }
  const shown = ({ hash }: App) => ({ kind: "oat", hash, secret: "", client_id: "cli_a" }) as const;

  it("the call is refused while its secret is being opened", async () => {
    const { vault, one, other } = await twoAccesses();
    await sql(vault, "UPDATE key_version SET sealed = NULL");
    await evict(vault);
    const kv = slowKv();
    const answer = await inside(vault, async (object) => {
      const calling = object.authorize(askFor(one, "k"), []);
      await vi.waitUntil(() => kv.asked() > 1, 20_000);
      await object.revokeShown(shown(one), ORIGIN);
      kv.answer();
      return calling;
    });
    expect(await refusalOf(ask(Promise.resolve(answer)))).toMatch(/^invalid_token /);
    expect(await refusalOf(authorize(vault, other, "k"))).toBe("accepted");
  });

  it("a call that has just set out gets no leash, and what the client calls from then on does", async () => {
    const { vault, one, other } = await twoAccesses();
    const before = await authorize(vault, one, "k");
    await ask(vault.stub.revokeShown(shown(one), ORIGIN));
    expect(await (await openLeash(vault, before)).closed).toEqual(cutFor("lease"));
    expect(await isHeld(vault, await openLeash(vault, await authorize(vault, other, "k")))).toBe(true);
  });
});

describe("what stands still does not disturb", () => {
  it("a call whose vault changes elsewhere while it waits goes through", async () => {
    const { vault, app } = await coldVault();
    const other = await mintApp(vault);
    const [answer] = await inside(vault, (object) =>
      Promise.all([object.authorize(askFor(app, "k"), []), object.revokeToken(vault.ada, other.id)]),
    );
    expect(answer).toMatchObject({ ok: true, value: { secret: { secret: "sk-k" } } });
  });

  it("a key that was paused and resumed while the call waited lets it through", async () => {
    const { vault, app } = await coldVault();
    const [answer] = await inside(vault, (object) =>
      Promise.all([
        object.authorize(askFor(app, "k"), []),
        object.pauseKey(vault.ada, "k"),
        object.resumeKey(vault.ada, "k"),
      ]),
    );
    expect(answer).toMatchObject({ ok: true });
  });

  it("a change is judged before KV's silence: a deleted key is not found, not unavailable", async () => {
    const { vault, app } = await coldVault();
    vi.spyOn(env.BLOBS, "get").mockResolvedValue(null as never);
    const [answer] = await inside(vault, (object) =>
      Promise.all([object.authorize(askFor(app, "k"), []), object.deleteKey(vault.ada, "k")]),
    );
    expect(answer).toMatchObject({ ok: false, refusal: { code: "not_found", rule: "keys" } });
  });
});

describe("the earliest expiry", () => {
  it("of token and key goes with the dispatch, and is refused once it has come", async () => {
    const vault = await newVault();
    await storeKey(vault, "k");
    const soon = Date.now() + 60_000;
    const app = await mintApp(vault, { expires_at: soon });
    expect((await authorize(vault, app, "k")).not_after).toBe(soon);
    await sql(vault, "UPDATE api_key SET expires_at = ?", soon - 1_000);
    await evict(vault);
    expect((await authorize(vault, app, "k")).not_after).toBe(soon - 1_000);
    travel(59_001);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("policy_denied key_expired");
    travel(1_000);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("invalid_token expired");
  });
});

const RUNS = inject("consistency_runs");

/** A vault under random orders, and what may be expected of it. */
type World = Awaited<ReturnType<typeof coldVault>> & {
  stopped: Set<string>;
  /** How often something was resumed: a call that began before and ends after may have been judged on either side. */
  resumed: number;
  dispatched: number[];
  under_way: Promise<unknown>[];
};

/**
 * A call that is not waited for. What was answered before it began stops it, unless that is taken back while it waits; an end
 * is never taken back.
 */
function call(world: World): void {
  const { vault, app, stopped, dispatched, under_way } = world;
  const [stoppedAtFirst, endedAtFirst, resumedAtFirst] = [stopped.size > 0, stopped.has("for ever"), world.resumed];
  const judged = authorize(vault, app, "k").then(
    ({ seq }) => {
      expect(endedAtFirst, "a call was let through after the end").toBe(false);
      expect(!stoppedAtFirst || world.resumed > resumedAtFirst, "a call was let through").toBe(true);
      return dispatched.push(seq);
    },
    ({ code }: { code: string }) => expect(["invalid_token", "paused"]).toContain(code),
  );
  under_way.push(judged);
}

const STEPS: Record<string, (world: World) => unknown> = {
  call,
  "call twice": (world) => [call(world), call(world)],
  pause: async ({ vault: { stub, ada }, app, stopped }) => {
    if (stopped.has("for ever")) return;
    await ask(stub.pauseToken(ada, app.id));
    stopped.add("token");
  },
  resume: async (world) => {
    const {
      vault: { stub, ada },
      app,
      stopped,
    } = world;
    if (stopped.has("for ever")) return;
    world.resumed++;
    await ask(stub.resumeToken(ada, app.id));
    stopped.delete("token");
  },
  "pause key": async ({ vault: { stub, ada }, key_id, stopped }) => {
    await ask(stub.pauseKey(ada, key_id));
    stopped.add("key");
  },
  "resume key": async (world) => {
    const {
      vault: { stub, ada },
      key_id,
      stopped,
    } = world;
    world.resumed++;
    await ask(stub.resumeKey(ada, key_id));
    stopped.delete("key");
  },
  revoke: async ({ vault: { stub, ada }, app, stopped }) => {
    await ask(stub.revokeToken(ada, app.id));
    stopped.add("for ever");
  },
  evict: async ({ vault, under_way }) => {
    // Evicting waits for what is under way.
    await Promise.all(under_way);
    await evict(vault);
  },
};

it(
  "whatever happens at once, a call that begins after an end was answered is refused, and every yes has its row",
  async () => {
    const programs = fc.array(fc.constantFrom(...Object.keys(STEPS)), { minLength: 3, maxLength: 14 });
    await fc.assert(
      fc.asyncProperty(programs, async (program) => {
        const world: World = { ...(await coldVault()), stopped: new Set(), resumed: 0, dispatched: [], under_way: [] };
        for (const step of program) await STEPS[step]?.(world);
        await Promise.all(world.under_way);
        await evict(world.vault);
        const rows = new Map((await outbox(world.vault)).map((row) => [row.seq, row]));
        expect(new Set(world.dispatched).size).toBe(world.dispatched.length);
        for (const seq of world.dispatched)
          expect(rows.get(seq)).toMatchObject({ decision: { action: "proxy.call" }, pending: true });
      }),
      { numRuns: 2 * RUNS },
    );
  },
  RUNS * 5_000,
);
