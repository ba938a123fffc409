import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { ask } from "../../src/vault/answer.ts";
import type { Dispatch } from "../../src/vault/calls/dispatch.ts";
import { cutFor, isHeld, openLeash, type HeldLeash } from "../support/leash.ts";
import { type App, type Vault, authorize, evict, mintApp, newVault, sql, storeKey } from "../support/vault.ts";

const TOKENS = 5;
const PER_TOKEN = 1_000;
const AT_ONCE = 50;

async function openMany(vault: Vault, app: App, count: number): Promise<HeldLeash[]> {
  const held: HeldLeash[] = [];
  for (let opened = 0; opened < count; opened += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, async () => openLeash(vault, await authorize(vault, app, "k")));
    held.push(...(await Promise.all(some)));
  }
  return held;
}

it("5,000 leashes sleep with the vault, are cut by one call, and the vault goes on answering meanwhile", async () => {
  // D1 is away, so the rows stay where they can be counted.
  await env.DB.prepare("ALTER TABLE audit RENAME TO audit_away").run();
  vi.spyOn(console, "error").mockReturnValue();
  const vault = await newVault();
  await storeKey(vault, "k");
  await storeKey(vault, "other");
  const apps = await Promise.all(Array.from({ length: TOKENS }, () => mintApp(vault)));
  const leashes: HeldLeash[] = [];
  for (const app of apps) leashes.push(...(await openMany(vault, app, PER_TOKEN)));

  // One more than a token may have is refused, and its call with it; what is open stays open, also across a sleep.
  const first = apps[0] as App;
  for (const asleep of [false, true]) {
    if (asleep) await evict(vault);
    const refused = await authorize(vault, first, "k");
    expect(await (await openLeash(vault, refused)).closed).toEqual(cutFor("leash_limit"));
    expect(await sql(vault, "SELECT outcome ->> 'rule' AS rule FROM audit WHERE seq = ?", refused.seq)).toEqual([
      { rule: "leash_limit" },
    ]);
  }
  // Whoever leaves makes room.
  const leaver = leashes.shift() as HeldLeash;
  leaver.socket.close(1000);
  await leaver.closed;
  leashes.unshift(await openLeash(vault, await authorize(vault, first, "k")));
  expect(await isHeld(vault, leashes[0] as HeldLeash)).toBe(true);

  await evict(vault);
  const cut = new AbortController();
  const cutting = ask(vault.stub.pauseKey(vault.ada, "k")).finally(() => cut.abort());
  const meanwhile: Dispatch[] = [];
  while (!cut.signal.aborted) {
    meanwhile.push(await authorize(vault, first, "other"));
    // A caller in the same process that never pauses would leave the runtime no time to look at its clocks.
    await scheduler.wait(1);
  }
  await cutting;
  expect(meanwhile.length).toBeGreaterThan(3);
  for (const { closed } of leashes) expect(await closed).toEqual(cutFor("key_paused"));
  const [rows] = await sql<{ n: number }>(
    vault,
    "SELECT count(*) AS n FROM audit WHERE outcome ->> 'rule' = 'key_paused'",
  );
  expect(rows?.n).toBe(TOKENS * PER_TOKEN);
}, 180_000);
