import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import { cutFor, openLeash, outcomeOf } from "../support/leash.ts";
import { type App, type Vault, authorize, evict, inside, refusalOf, runAlarm, vaultWithKey } from "../support/vault.ts";

const DOWN = () => Promise.reject(new Error("down"));

/** What a vault leans on, and how it fails. The provider is nobody that a vault asks. */
const OUTAGES: Record<string, () => void> = {
  KV: () => {
    for (const way of ["get", "put", "delete"] as const) vi.spyOn(env.BLOBS, way).mockImplementation(DOWN as never);
  },
  D1: () => {
    vi.spyOn(env.DB, "prepare").mockImplementation(() => {
      throw new Error("down");
    });
  },
};
OUTAGES["KV and D1"] = () => {
  OUTAGES.KV?.();
  OUTAGES.D1?.();
};

const STOPS: Record<string, [string, (vault: Vault, app: App) => Promise<unknown>]> = {
  "revoking a token": ["revoked", ({ stub, ada }, { id }) => ask(stub.revokeToken(ada, id))],
  "pausing a token": ["token_paused", ({ stub, ada }, { id }) => ask(stub.pauseToken(ada, id))],
  "pausing a key": ["key_paused", ({ stub, ada }) => ask(stub.pauseKey(ada, "k"))],
  "deleting a key": ["key_deleted", ({ stub, ada }) => ask(stub.deleteKey(ada, "k"))],
  freezing: ["frozen", ({ stub, ada }) => ask(stub.freeze(ada))],
};

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
});

describe.each(Object.keys(OUTAGES))("while %s cannot be reached", (which) => {
  it.each(Object.entries(STOPS))(
    "%s works, cuts what is open and is still so afterwards",
    async (_what, [rule, stop]) => {
      const { vault, app } = await vaultWithKey();
      const call = await authorize(vault, app, "k");
      const leash = await openLeash(vault, call);
      await leash.next;
      OUTAGES[which]?.();
      // Cold: nothing that was in memory helps.
      await evict(vault);
      await stop(vault, app);
      expect(await leash.closed).toEqual(cutFor(rule));
      expect(await outcomeOf(vault, call.seq)).toMatchObject({ outcome: "cut", rule });
      expect(await refusalOf(authorize(vault, app, "k"))).not.toBe("accepted");
      // Rows that cannot leave stand in nobody's way.
      await runAlarm(vault);
      await evict(vault);
      expect(await refusalOf(authorize(vault, app, "k"))).not.toBe("accepted");
      expect(await inside(vault, (_object, { storage }) => storage.sql.databaseSize)).toBeGreaterThan(0);
    },
  );
});
