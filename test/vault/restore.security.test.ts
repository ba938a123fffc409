import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Problem } from "../../src/problem.ts";
import { listenRequest } from "../../src/vault/alerts/live.ts";
import { ask } from "../../src/vault/answer.ts";
import { GUESTS } from "../../src/vault/calls/visit.ts";
import { configOf } from "../../src/config.ts";
import { verifyToken } from "../../src/crypto/token.ts";
import { OtherLife } from "../../src/vault/account/other_life.ts";
import { writeOn } from "../support/long_log.ts";
import { checkChain } from "../support/chain.ts";
import { chainHash, type AuditRow, type ChainHeads, type Decision } from "../../src/vault/audit/row.ts";
import { held } from "../../src/vault/surface.ts";
import type { Caller } from "../../src/vault/tokens/caller.ts";
import { connectedVault, DESTINATION, TokenProvider } from "../support/token_provider.ts";
import { remember, restore, type Dump } from "../support/restore.ts";
import { newRotating, refreshWith } from "../support/refresh.ts";
import {
  ADA,
  CALLED,
  ORIGIN,
  type App,
  type Vault,
  archive,
  askFor,
  authorize,
  derive,
  evict,
  grantTo,
  inside,
  issueTo,
  keyNamed,
  laptop,
  mintApp,
  newVault,
  outbox,
  refusalOf,
  runAlarm,
  runAlarmAfter,
  signIn,
  signInDevice,
  sql,
  storeKey,
  travel,
  wholeLog,
} from "../support/vault.ts";

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
});

const HOUR_MS = 3_600_000;
const TRUST = {
  name: "ci",
  issuer: "https://ci.example",
  jwks: null,
  claims: { sub: ["repo:acme"] },
  single_use: false,
  policy: {},
  audience: undefined,
};
/** A machine's own token, as the router has verified it. */
const presentedTo = (aud: string) => ({
  claims: { iss: TRUST.issuer, aud, sub: "repo:acme" },
  hash: crypto.randomUUID(),
  expires_at: Date.now() + HOUR_MS,
});
const RUNS = 8;

/** A vault with a past, and all of it in D1. */
async function lived() {
  const vault = await newVault();
  await storeKey(vault, "k");
  const [kept, revoked, paused, used] = [
    await mintApp(vault),
    await mintApp(vault),
    await mintApp(vault),
    await newRotating(vault, "monthly"),
  ];
  const session = await signIn(vault.stub, vault.account_id);
  await shipped(vault);
  return { vault, kept, revoked, paused, used, session };
}

async function shipped(vault: Vault): Promise<void> {
  await runAlarmAfter(vault, 10_001);
  expect(await outbox(vault)).toEqual([]);
}

/** Does something in a life that the vault then knows nothing of: it is put back to before, and D1 is not. Answers what it was put back to. */
async function forgotten(vault: Vault, work: () => Promise<unknown>): Promise<Dump> {
  await shipped(vault);
  const then = await remember(vault, { looked_at: 0 });
  travel(60_000);
  await work();
  await shipped(vault);
  await restore(vault, then);
  return then;
}

async function assertWhole(vault: Vault): Promise<void> {
  const session = await signIn(vault.stub, vault.account_id);
  const { rows, heads } = await wholeLog({ ...vault, ada: session });
  expect(checkChain(rows, heads).fault).toBeUndefined();
}

/** Seqs that no row has. */
function missingFrom(rows: readonly AuditRow[], { head_seq }: ChainHeads): number[] {
  const there = new Set(rows.map(({ seq }) => seq));
  return Array.from({ length: head_seq }, (_, i) => i + 1).filter((seq) => !there.has(seq));
}

const MANAGED = { ...CALLED, action: "token.revoke", outcome: "ok", subject: "tok_2" } as const;

type Step = { does: "begin" | "ship" | "manage" } | { does: "end"; nth: number };

/** What a vault goes through, in an order that somebody else thought of. */
function live(vault: Vault, steps: readonly Step[]): Promise<void> {
  return inside(vault, async (object) => {
    const parts = object[held];
    if (parts === undefined) throw new Error("there is no vault");
    const { audit, under_way, housekeeping } = parts;
    for (const step of steps) {
      const now = Date.now();
      if (step.does === "begin") audit.append(CALLED, now);
      if (step.does === "manage") audit.append(MANAGED, now);
      // It fails where it finds that it has to catch up, and is done again.
      if (step.does === "ship") await housekeeping.handlers.ship(now)?.catch(() => {});
      if (step.does === "end") {
        const open = under_way.all()[step.nth];
        if (open !== undefined) audit.settle(open.seq, { outcome: "ok", status: 200 + step.nth }, now);
      }
    }
  });
}

describe("after a restore to hours ago, before anything is served", () => {
  it("what was revoked, paused or used up since is so again, and what was left alone works", async () => {
    const { vault, kept, revoked, paused, used, session } = await lived();
    const then = await remember(vault);
    travel(2 * HOUR_MS);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await ask(vault.stub.pauseToken(vault.ada, paused.id));
    const { session: me } = await ask(vault.stub.me(session));
    await ask(vault.stub.revokeSession(vault.ada, me.id));
    await refreshWith(vault, used);
    await shipped(vault);
    await restore(vault, then);

    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
    expect(await refusalOf(authorize(vault, paused, "k"))).toBe("paused token_paused");
    expect(await refusalOf(refreshWith(vault, used))).toBe("invalid_token revoked");
    expect(await refusalOf(ask(vault.stub.me(session)))).toBe("invalid_token revoked");
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("accepted");
    expect((await outbox(vault)).map(({ decision }) => decision.action)).toContain("vault.restored");
  });

  it("what clients gave up is dead again, as one access token and as a whole grant", async () => {
    const { vault } = await lived();
    const [one, whole] = [await grantTo(vault), await grantTo(vault)];
    const shown = { kind: "oat", secret: "", client_id: "cli_a" } as const;
    const { refresh_token } = await issueTo(vault, whole.grant_id);
    await forgotten(vault, async () => {
      await ask(vault.stub.revokeShown({ ...shown, hash: one.hash }, ORIGIN));
      const { hash, secret } = verifyToken(configOf(env).token_keys, refresh_token);
      await ask(vault.stub.revokeShown({ ...shown, kind: "ort", hash, secret }, ORIGIN));
    });
    expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up", replayed: 2 });
    for (const { hash } of [one, whole])
      expect(await refusalOf(authorize(vault, { hash } as App, "k"))).toBe("invalid_token revoked");
  });

  it("whoever was signed out or cut off since is let in nowhere, though nobody has asked anything before", async () => {
    const { vault, session } = await lived();
    await ask(vault.stub.createKey(vault.ada, keyNamed("shown", { revealable: true }), { secret: "sk-shown" }));
    const client = { ...session, ...(await grantTo(vault)), kind: "oat" as const, may: GUESTS };
    await ask(vault.stub.approveDevice(vault.ada, laptop("taken")));
    const then = await forgotten(vault, async () => {
      const { session: me } = await ask(vault.stub.me(session));
      await ask(vault.stub.revokeSession(vault.ada, me.id));
      await ask(vault.stub.revokeGrant(vault.ada, client.grant_id));
    });
    const { stub } = vault;
    const reading = { tool: "list_keys", latency_ms: 0, scope: "vault:read", session_id: null } as const;
    const tries: Record<string, () => Promise<unknown>> = {
      reveal: () => ask(stub.revealKeys(session, ["shown"])),
      approve: () => ask(stub.approveDevice(session, laptop("code"))),
      me: () => ask(stub.me(session)),
      list: () => ask(stub.listKeys(session, undefined, 10, {})),
      activity: () => ask(stub.activity(session, Number.MAX_SAFE_INTEGER, 10)),
      export: () => ask(stub.holdings(session)),
      listen: async () => {
        const answer = await stub.fetch(listenRequest(session));
        await answer.text();
        if (answer.status === 401) throw new Problem("invalid_token", "", { rule: "revoked" });
      },
      try: () => ask(stub.tryKey(session, { ...askFor({ hash: "" } as App, "k"), method: "GET" })),
      greet: () => ask(stub.greet(client, null)),
      read: () => ask(stub.readForTool(client, { name: "doctor", args: [] }, reading)),
      open: () => ask(stub.openSession(client)),
    };
    for (const [name, attempt] of Object.entries(tries)) {
      await restore(vault, then);
      expect([name, await refusalOf(attempt())]).toEqual([name, "invalid_token revoked"]);
    }
    await restore(vault, then);
    expect(await refusalOf(ask(stub.redeemDevice({ code_hash: "taken", proof: null }, ORIGIN)))).toBe("invalid_grant");
  });

  it("what was changed since is paused, since nobody knows how, and works again once its owner says so", async () => {
    const { vault, kept } = await lived();
    const app = await mintApp(vault);
    const narrowed = await grantTo(vault);
    const shown = await ask(vault.stub.createKey(vault.ada, keyNamed("shown", { revealable: true }), { secret: "sk" }));
    await storeKey(vault, "rotated");
    const { app: device } = await signInDevice(vault);
    const manager: Caller = { ...vault.ada, hash: device.hash, kind: "dev", may: ["device"] };
    await forgotten(vault, async () => {
      await ask(vault.stub.changeToken(vault.ada, app.id, { policy: { methods: ["POST"] } }));
      await ask(vault.stub.narrowGrant(vault.ada, narrowed.grant_id, { scopes: ["vault:read"] }));
      await ask(vault.stub.changeKey(vault.ada, "shown", { revealable: false }));
      await ask(vault.stub.changeDevice(vault.ada, device.id, { ask: { methods: ["DELETE"] } }));
      const { destination } = keyNamed("rotated");
      await ask(vault.stub.rotateKey(vault.ada, "rotated", { destination, secret: { secret: "sk-2" }, overlap_ms: 0 }));
    });
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("paused token_paused");
    expect(await refusalOf(authorize(vault, narrowed, "k"))).toBe("paused token_paused");
    for (const key of ["shown", "rotated"])
      expect(await refusalOf(authorize(vault, kept, key))).toBe("paused key_paused");
    expect(await refusalOf(authorize(vault, device, "k"))).toBe("approval_required ask");
    // A device may be what they were stopped for, and would have back what was taken from it.
    expect(await refusalOf(ask(vault.stub.resumeToken(manager, app.id)))).toBe("insufficient_scope");
    for (const key of ["shown", "rotated"])
      expect(await refusalOf(ask(vault.stub.resumeKey(manager, key)))).toBe("insufficient_scope");
    const fresh = await signIn(vault.stub, vault.account_id);
    expect(await ask(vault.stub.getKey(fresh, shown.id))).toMatchObject({ revealable: false, scrub: true });
    await ask(vault.stub.resumeToken(fresh, app.id));
    await ask(vault.stub.resumeKey(fresh, "rotated"));
    expect(await refusalOf(authorize(vault, app, "rotated"))).toBe("accepted");
    // Its owner has looked at it: from here on it is paused and resumed as ever.
    await ask(vault.stub.pauseKey(manager, "rotated"));
    await ask(vault.stub.resumeKey(manager, "rotated"));
    // Nothing is held a second time.
    travel(HOUR_MS);
    expect(await refusalOf(authorize(vault, app, "k"))).toBe("accepted");
  });

  it("an answer to what somebody was asked before is none any more: it may have been used", async () => {
    const { vault } = await lived();
    const asked_at = Date.now();
    await forgotten(vault, async () => {
      await ask(vault.stub.spend(vault.ada, "nonce", asked_at + HOUR_MS, asked_at));
      await mintApp(vault);
    });
    const spend = async (nonce: string, at: number) =>
      refusalOf(ask(vault.stub.spend(await signIn(vault.stub, vault.account_id), nonce, at + HOUR_MS, at)));
    expect(await spend("nonce", asked_at)).toBe("invalid_request request_state");
    expect(await spend("another", asked_at)).toBe("invalid_request request_state");
    travel(1_000);
    expect(await spend("another", Date.now())).toBe("accepted");
  });

  it("alerts are as watchful as they were in either life", async () => {
    const { vault } = await lived();
    const set = (changes: Parameters<typeof vault.stub.changeAlertSettings>[1]) =>
      ask(vault.stub.changeAlertSettings(vault.ada, changes));
    await set({ volume: { enabled: false }, expiring: { enabled: false }, new_country: { auto_freeze: "vault" } });
    await forgotten(vault, async () => {
      await set({ volume: { enabled: true }, new_country: { auto_freeze: "off" }, error_burst: { enabled: false } });
      await set({ refresh_reuse: { auto_freeze: "subject" } });
    });
    expect(await ask(vault.stub.alertSettings(await signIn(vault.stub, vault.account_id)))).toMatchObject({
      volume: { enabled: true },
      expiring: { enabled: false },
      new_country: { enabled: true, auto_freeze: "vault" },
      error_burst: { enabled: true },
      refresh_reuse: { enabled: true, auto_freeze: "subject" },
    });
  });

  it("what was used up since is used up again: uses of a token, its day and its budget, and a machine's token", async () => {
    const { vault } = await lived();
    await ask(vault.stub.createKey(vault.ada, keyNamed("model"), { secret: "sk" }));
    const parent = await mintApp(vault, { max_uses: 3, daily_quota: 2 });
    const child = await derive(vault, parent);
    const paying = await mintApp(vault, { spend: { usd_per_month: 1 } });
    const trust = await ask(vault.stub.createTrust(vault.ada, { ...TRUST, single_use: true }));
    const presented = presentedTo(trust.audience);
    await forgotten(vault, async () => {
      const uses = [await authorize(vault, child, "k"), await authorize(vault, parent, "k")];
      const { seq } = await authorize(vault, paying, "k");
      await ask(vault.stub.settle(uses.map((use) => ({ seq: use.seq, outcome: "ok" as const, status: 200 }))));
      await inside(vault, (object) => object[held]?.audit.settle(seq, { outcome: "ok", usd: 0.75 }, Date.now()));
      await ask(vault.stub.exchange(trust.id, presented, ORIGIN));
    });
    expect(await refusalOf(ask(vault.stub.exchange(trust.id, presented, ORIGIN)))).toBe("invalid_request replay");
    expect(await refusalOf(authorize(vault, child, "k"))).toBe("rate_limited daily_quota");
    travel(24 * HOUR_MS);
    expect(await refusalOf(authorize(vault, child, "k"))).toBe("accepted");
    expect(await refusalOf(authorize(vault, parent, "k"))).toMatch(/ max_uses$/);
    const fresh = await signIn(vault.stub, vault.account_id);
    expect(await ask(vault.stub.spendPage(fresh, 0, Number.MAX_SAFE_INTEGER, {}))).toMatchObject({
      rows: [{ token_id: paying.id, calls: 1, cost: 750_000 }],
    });
  });

  it("a trust, a webhook and a leave to see secrets that were taken away are gone again", async () => {
    const { vault } = await lived();
    const trust = await ask(vault.stub.createTrust(vault.ada, TRUST));
    const minted = await ask(vault.stub.exchange(trust.id, presentedTo(trust.audience), ORIGIN));
    const { webhook } = await ask(vault.stub.createWebhook(vault.ada, "https://hooks.example/a", null));
    const { app: device } = await signInDevice(vault, { reveal: "8h" });
    await forgotten(vault, async () => {
      await ask(vault.stub.deleteTrust(vault.ada, trust.id));
      await ask(vault.stub.deleteWebhook(vault.ada, webhook.id));
      await ask(vault.stub.changeDevice(vault.ada, device.id, { reveal: "none" }));
    });
    expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up", replayed: 3 });
    expect(await refusalOf(ask(vault.stub.exchange(trust.id, presentedTo(trust.audience), ORIGIN)))).toMatch(
      /^invalid_request/,
    );
    const { hash } = verifyToken(configOf(env).token_keys, minted.token);
    expect(await refusalOf(authorize(vault, { hash } as App, "k"))).toBe("invalid_token revoked");
    const fresh = await signIn(vault.stub, vault.account_id);
    expect(await ask(vault.stub.listWebhooks(fresh))).toEqual([]);
    expect(await ask(vault.stub.getDevice(fresh, device.id))).toMatchObject({ reveal_until: null });
  });

  it.each(["disconnected from its provider", "connected to another account"])(
    "a key that was %s is not connected",
    async (what) => {
      const provider = TokenProvider.standIn();
      const { vault, use } = await connectedVault({
        ...DESTINATION,
        placement: { ...DESTINATION.placement, authorize_url: "https://provider.example/authorize" },
      });
      await forgotten(vault, async () => {
        const [{ id } = { id: "" }] = await ask(vault.stub.listKeys(vault.ada, undefined, 10, {}));
        if (what.startsWith("dis")) return ask(vault.stub.disconnect(vault.ada, id));
        provider.faults.push(() => Response.json({ access_token: "access-other", expires_in: 3_600 }));
        const back = { key_id: id, version: 1, code: "code", verifier: "v", redirect_uri: "https://locker.example/cb" };
        return ask(vault.stub.completeConnect(vault.ada, back));
      });
      expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up", replayed: 1 });
      expect(await refusalOf(use())).toMatch(/^reconnect_required/);
    },
  );

  it("who was unlinked since signs in no more, and no session that they may have had lives", async () => {
    const { vault } = await lived();
    const eve = { ...ADA, issuer: "https://other.example", subject: "eve of the other" };
    await ask(vault.stub.link(vault.ada, eve));
    await forgotten(vault, () => ask(vault.stub.unlink(vault.ada, { issuer: eve.issuer, subject: eve.subject })));
    expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up", replayed: 1 });
    expect(await refusalOf(ask(vault.stub.signIn(vault.account_id, eve, ORIGIN)))).toBe("gone");
    expect(await refusalOf(ask(vault.stub.listKeys(vault.ada, undefined, 1, {})))).toBe("invalid_token revoked");
    await signIn(vault.stub, vault.account_id);
  });

  it("who was unlinked for somebody who was linked since stays: otherwise nobody would get in", async () => {
    const { vault } = await lived();
    const other = { ...ADA, issuer: "https://other.example" };
    await forgotten(vault, async () => {
      await ask(vault.stub.link(vault.ada, other));
      await sql(vault, `UPDATE identity SET linked_at = linked_at + 1 WHERE issuer = '${other.issuer}'`);
      travel(7 * 24 * HOUR_MS + 1_000);
      vault.ada = await signIn(vault.stub, vault.account_id);
      await ask(vault.stub.unlink(vault.ada, { issuer: ADA.issuer, subject: ADA.subject }));
    });
    expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up" });
    expect(await refusalOf(ask(vault.stub.signIn(vault.account_id, other, ORIGIN)))).toBe("gone");
    await signIn(vault.stub, vault.account_id);
  });

  it("a page that was used since is used up, and so is every other offer", async () => {
    const { vault } = await lived();
    const page = await ask(vault.stub.createPageLink(vault.ada, { kind: "rotate", key: "k" }));
    await forgotten(vault, () => ask(vault.stub.usePageLink(vault.ada, page.handle, { secret: "sk-typed" })));
    expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up" });
    expect(await refusalOf(ask(vault.stub.usePageLink(vault.ada, page.handle, { secret: "sk-again" })))).toBe(
      "not_found",
    );
  });

  it("to the same moment once more, what was taken away in either life is gone", async () => {
    const { vault, kept, revoked, paused } = await lived();
    const then = await remember(vault);
    travel(2 * HOUR_MS);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await shipped(vault);
    await restore(vault, then);
    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
    await ask(vault.stub.pauseToken(vault.ada, paused.id));
    await shipped(vault);
    travel(2 * HOUR_MS);
    await restore(vault, then);
    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
    expect(await refusalOf(authorize(vault, paused, "k"))).toBe("paused token_paused");
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("accepted");
    await runAlarmAfter(vault, 20_000);
    await assertWhole(vault);
  });

  it("a deleted key is gone again, and a freeze lies again", async () => {
    const { vault, kept } = await lived();
    await storeKey(vault, "leaked");
    await shipped(vault);
    const then = await remember(vault);
    travel(2 * HOUR_MS);
    await ask(vault.stub.deleteKey(vault.ada, "leaked"));
    await shipped(vault);
    await restore(vault, then);
    expect(await refusalOf(authorize(vault, kept, "leaked"))).toBe("not_found keys");
    const again = await remember(vault);
    travel(2 * HOUR_MS);
    await ask(vault.stub.freeze(vault.ada));
    await shipped(vault);
    await restore(vault, again);
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("frozen frozen");
  });

  it("the log goes on where D1 ends, in one chain, and doing it again changes nothing", async () => {
    const { vault, kept, revoked } = await lived();
    const then = await remember(vault);
    travel(2 * HOUR_MS);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    const { seq } = await authorize(vault, kept, "k");
    await ask(vault.stub.settle([{ seq, outcome: "ok", status: 200 }]));
    await shipped(vault);
    await restore(vault, then);
    expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up", rows: 2, replayed: 1 });
    expect(await ask(vault.stub.restored())).toEqual({ outcome: "in_step" });
    await authorize(vault, kept, "k");
    await assertWhole(vault);
    await runAlarmAfter(vault, 10_001);
    await assertWhole(vault);
  });

  it("it is caught up with once, whoever looks at the same time", async () => {
    const { vault, kept, revoked } = await lived();
    const then = await remember(vault);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await shipped(vault);
    await restore(vault, then);
    const looks = await inside(vault, (object) => Promise.all([object.restored(), object.restored()].map(ask)));
    expect(looks.map(({ outcome }) => outcome).toSorted()).toEqual(["caught_up", "in_step"]);
    await authorize(vault, kept, "k");
    await runAlarmAfter(vault, 10_001);
    await assertWhole(vault);
  });

  it("a vault whose owner has deleted it since is deleted again", async () => {
    const { vault, kept } = await lived();
    const then = await remember(vault);
    const schema = await sql<{ sql: string }>(
      vault,
      "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY type DESC",
    );
    travel(2 * HOUR_MS);
    const fresh = await signIn(vault.stub, vault.account_id);
    await ask(vault.stub.deleteAccount({ ...fresh, may: ["session_recent"] }));
    await runInDurableObject(vault.stub, (_vault, { storage }) => {
      for (const { sql } of schema) storage.sql.exec(sql);
    });
    await restore(vault, then);
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("invalid_token");
    await runAlarm(vault);
    expect(await refusalOf(ask(vault.stub.signIn(vault.account_id, ADA, ORIGIN)))).toBe("gone");
    expect(await sql(vault, "SELECT name FROM sqlite_master")).toEqual([]);
  });
});

describe("a restore to less than an hour ago", () => {
  it("is noticed with the first row that comes to D1, and what was done meanwhile is kept behind it", async () => {
    const { vault, kept, revoked } = await lived();
    const then = await remember(vault);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await shipped(vault);
    await restore(vault, then);
    await ask(vault.stub.pauseToken(vault.ada, kept.id));
    await runAlarmAfter(vault, 10_001);
    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
    const actions = (await outbox(vault)).map(({ decision }) => decision.action);
    expect(actions.slice(0, 2)).toEqual(["token.pause", "vault.restored"]);
    await assertWhole(vault);
  });

  it("also where it is noticed between the sending of rows and their answer", async () => {
    const { vault, kept, revoked } = await lived();
    const then = await remember(vault);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await shipped(vault);
    await restore(vault, then);
    for (let i = 0; i < 3; i++) await mintApp(vault);
    const looked = await inside(vault, async (object) => {
      const prepare = env.DB.prepare.bind(env.DB);
      let outcome: string | undefined;
      const sending = vi.spyOn(env.DB, "prepare").mockImplementation((text) => {
        const statement = prepare(text);
        if (outcome !== undefined || !text.startsWith("INSERT INTO audit ")) return statement;
        const bind = statement.bind.bind(statement);
        statement.bind = (...values) => {
          const bound = bind(...values);
          const run = bound.run.bind(bound);
          bound.run = async <T>() => {
            const answer = await run<T>();
            ({ outcome } = await ask(object.restored()));
            return answer;
          };
          return bound;
        };
        return statement;
      });
      await object[held]?.housekeeping.handlers.ship(Date.now())?.catch(() => {});
      sending.mockRestore();
      return outcome;
    });
    expect(looked).toBe("caught_up");
    expect(await outbox(vault)).toHaveLength(4);
    await authorize(vault, kept, "k");
    await runAlarmAfter(vault, 20_000);
    await shipped(vault);
    await assertWhole(vault);
  });

  it("however much more was done since than was lost: no row of it comes to D1 before what was lost is caught up with", async () => {
    const { vault, kept, revoked } = await lived();
    const then = await remember(vault);
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await shipped(vault);
    await restore(vault, then);
    const { seq } = await authorize(vault, kept, "k");
    for (let i = 0; i < 3; i++) {
      await ask(vault.stub.pauseToken(vault.ada, kept.id));
      await ask(vault.stub.resumeToken(vault.ada, kept.id));
    }
    await runAlarmAfter(vault, 10_001);
    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
    await ask(vault.stub.settle([{ seq, outcome: "ok", status: 200 }]));
    await runAlarmAfter(vault, 20_000);
    expect(await outbox(vault)).toEqual([]);
    await assertWhole(vault);
  });
});

describe("where calls were under way that never came to D1", () => {
  for (const own of [0, 1, 3])
    it(`what was revoked beside them is so again, also when ${own} rows were written since`, async () => {
      const { vault, kept, revoked } = await lived();
      const then = await remember(vault);
      await authorize(vault, kept, "k");
      await ask(vault.stub.revokeToken(vault.ada, revoked.id));
      await authorize(vault, kept, "k");
      await ask(vault.stub.pauseToken(vault.ada, kept.id));
      await runAlarmAfter(vault, 10_001);
      expect(await outbox(vault)).toHaveLength(2);
      await restore(vault, then);
      for (let i = 0; i < own; i++) await mintApp(vault);
      if (own > 0) await runAlarmAfter(vault, 10_001);
      else expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up", replayed: 2 });
      expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
      expect(await refusalOf(authorize(vault, kept, "k"))).toBe("paused token_paused");
      await runAlarmAfter(vault, 20_000);
      expect(await outbox(vault)).toEqual([]);
      // What they were is known nowhere any more, and the log says so.
      const { rows, heads } = await wholeLog(vault);
      expect(missingFrom(rows, heads)).toHaveLength(2);
      const told = rows.flatMap(({ decision }) => (JSON.parse(decision) as Decision).lost?.rows ?? []);
      expect(told.flatMap(({ first, last }) => [first, last])).toEqual(missingFrom(rows, heads).flatMap((n) => [n, n]));
      expect(checkChain(rows, heads).fault).toBeUndefined();
    });

  it("nothing but what was lost may be missing, and nothing may stand in its place", async () => {
    const { vault, kept, revoked } = await lived();
    const then = await remember(vault);
    await authorize(vault, kept, "k");
    await authorize(vault, kept, "k");
    await ask(vault.stub.revokeToken(vault.ada, revoked.id));
    await authorize(vault, kept, "k");
    await ask(vault.stub.pauseToken(vault.ada, kept.id));
    await runAlarmAfter(vault, 10_001);
    await restore(vault, then);
    await ask(vault.stub.restored());
    await shipped(vault);
    const { rows, heads } = await wholeLog(vault);
    expect(checkChain(rows, heads).fault).toBeUndefined();
    for (const { seq } of rows)
      expect(
        checkChain(
          rows.filter((row) => row.seq !== seq),
          heads,
        ).fault,
      ).toMatch(/is missing|begin the chain/);
    // Nobody vouches for what stands before a gap but the row that tells of it: neither may be another, with a hash that fits.
    for (const row of rows) {
      const decision = row.decision.replace(/"at":"..../, '"at":"1999');
      const forged = { ...row, decision, hash: chainHash(decision) };
      expect(
        checkChain(
          rows.map((one) => (one === row ? forged : one)),
          heads,
        ).fault,
      ).toBeDefined();
    }
    for (const seq of missingFrom(rows, heads)) {
      const decision = (rows.at(-1)?.decision ?? "").replace(/"seq":\d+/, `"seq":${seq}`);
      const put = { seq, decision, hash: chainHash(decision), outcome: null, outcome_hash: null };
      expect(checkChain([...rows, put], heads).fault).toBe(`row ${seq} was added`);
    }
  });
});

/** A vault with a call under way, whose end has come to D1 and was lost here. */
async function withoutItsEnd() {
  const { vault, kept } = await lived();
  const { seq } = await authorize(vault, kept, "k");
  const then = await remember(vault);
  await ask(vault.stub.settle([{ seq, outcome: "ok", status: 200 }]));
  await shipped(vault);
  await restore(vault, then);
  return { vault, kept, seq };
}

describe("ends that were lost", () => {
  it("of a call of before are its ends again, though nothing else was lost", async () => {
    const { vault, kept, seq } = await withoutItsEnd();
    expect(await ask(vault.stub.restored())).toMatchObject({ outcome: "caught_up", rows: 0 });
    expect(await ask(vault.stub.restored())).toEqual({ outcome: "in_step" });
    expect((await outbox(vault)).map((row) => row.seq)).not.toContain(seq);
    await authorize(vault, kept, "k");
    await runAlarmAfter(vault, 20_000);
    await shipped(vault);
    await assertWhole(vault);
  });

  it("are noticed before a row of the other life comes to D1", async () => {
    const { vault, kept, seq } = await withoutItsEnd();
    const later = await authorize(vault, kept, "k");
    await ask(vault.stub.settle([{ seq: later.seq, outcome: "ok", status: 201 }]));
    await runAlarmAfter(vault, 10_001);
    await runAlarmAfter(vault, 10_001);
    await shipped(vault);
    await assertWhole(vault);
    const row = (await archive(vault)).find((one) => one.seq === seq);
    expect(JSON.parse(row?.outcome ?? "{}")).toMatchObject({ outcome: "ok", status: 200 });
  });

  it("whatever was under way, ended and shipped in either life: one log, with no entry twice and none missing that is not told", async () => {
    const step = fc.oneof(
      fc.constant({ does: "begin" } as const),
      fc.record({ does: fc.constant("end" as const), nth: fc.nat(5) }),
      fc.constant({ does: "ship" } as const),
      fc.constant({ does: "manage" } as const),
    );
    const life = fc.array(step, { maxLength: 7 });
    await fc.assert(
      fc.asyncProperty(life, life, life, async (before, lost, since) => {
        const vault = await newVault();
        await live(vault, before);
        const then = await remember(vault);
        await live(vault, lost);
        await restore(vault, then);
        await live(vault, since);
        // Whatever is still under way ends, and all of it leaves.
        for (let i = 0; i < 6 && (await outbox(vault)).length > 0; i++)
          await live(vault, [...Array.from({ length: 9 }, () => ({ does: "end", nth: 0 }) as const), { does: "ship" }]);
        expect(await outbox(vault)).toEqual([]);
        await assertWhole(vault);
      }),
      { numRuns: RUNS },
    );
  }, 60_000);
});

it("of what was lost no call is kept while it is read, however many there are", async () => {
  const { vault } = await lived();
  await inside(vault, (object) => {
    const audit = object[held]?.audit;
    if (audit === undefined) throw new Error("there is no vault");
    const other = new OtherLife(audit, () => {});
    let { head_seq: seq, head_hash: prev } = audit.heads;
    for (let i = 0; i < 2_000; i++) {
      const decision = JSON.stringify({ seq: ++seq, prev, ...(i === 7 ? MANAGED : CALLED) });
      prev = chainHash(decision);
      other.add({ seq, decision, hash: prev, outcome: null, outcome_hash: null });
    }
    expect(other.lost).toBe(2_000);
    expect(other.changes.map(({ action }) => action)).toEqual([MANAGED.action]);
    expect(JSON.stringify(other).length).toBeLessThan(1_000);
  });
});

describe("looking for a restore", () => {
  it("finds none where a call of before is still under way and later rows have left", async () => {
    const { vault, kept } = await lived();
    const { seq } = await authorize(vault, kept, "k");
    const later = await authorize(vault, kept, "k");
    await ask(vault.stub.settle([{ seq: later.seq, outcome: "ok", status: 200 }]));
    await runAlarmAfter(vault, 10_001);
    expect((await outbox(vault)).map((row) => row.seq)).toEqual([seq]);
    expect(await ask(vault.stub.restored())).toEqual({ outcome: "in_step" });
  });

  it("asks D1 at most once an hour, and stops nobody while D1 is away", async () => {
    const { vault, kept } = await lived();
    const asked = vi.spyOn(env.DB, "prepare");
    const looks = () => asked.mock.calls.filter(([text]) => text.includes("tombstone WHERE vault_id = ?")).length;
    for (let i = 0; i < 3; i++) await authorize(vault, kept, "k");
    expect(looks()).toBe(0);
    travel(HOUR_MS);
    await Promise.all([1, 2, 3].map(() => authorize(vault, kept, "k")));
    await evict(vault);
    await authorize(vault, kept, "k");
    expect(looks()).toBe(1);
    travel(HOUR_MS);
    asked.mockImplementation(() => {
      throw new Error("D1 is away");
    });
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("accepted");
  });

  it("lets nothing be used while it knows that something was stopped and not yet what, however long the reading takes", async () => {
    const { vault, kept, revoked } = await lived();
    await forgotten(vault, async () => {
      await ask(vault.stub.revokeToken(vault.ada, revoked.id));
      await shipped(vault);
      await writeOn(vault, 5_100);
    });
    vi.spyOn(console, "error").mockReturnValue();
    const prepare = env.DB.prepare.bind(env.DB);
    let pages = 0;
    const asked = vi.spyOn(env.DB, "prepare").mockImplementation((text) => {
      if (text.includes("seq > ? ORDER BY seq") && ++pages > 1) throw new Error("D1 went away");
      return prepare(text);
    });
    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("unavailable");
    for (const app of [revoked, kept]) expect(await refusalOf(authorize(vault, app, "k"))).toBe("unavailable");
    expect(pages).toBe(2);
    asked.mockRestore();
    travel(10_001);
    expect(await refusalOf(authorize(vault, revoked, "k"))).toBe("invalid_token revoked");
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("accepted");
  });

  it("does nothing by rows that do not follow this vault's own chain", async () => {
    const { vault, kept } = await lived();
    const decision = JSON.stringify({
      seq: 99,
      prev: "x",
      id: "aud_x",
      at: "2026-01-01T00:00:00.000Z",
      action: "token.revoke",
      subject: kept.id,
    });
    await env.DB.prepare("INSERT INTO audit (vault_id, seq, at, decision, hash) VALUES (?, 99, 1, ?, 'h')")
      .bind(vault.id, decision)
      .run();
    expect(await refusalOf(ask(vault.stub.restored()))).toBe("conflict");
    expect(await refusalOf(authorize(vault, kept, "k"))).toBe("accepted");
  });
});
