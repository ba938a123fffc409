import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { Turnstile } from "../../src/vault/calls/turnstile.ts";
import { newVault } from "../support/vault.ts";

test("a lone caller waits for nothing, those who come during a flush go in together, and after a crowd one waits for company", async () => {
  const { stub } = await newVault();
  const waited = await runInDurableObject(stub, async (_vault, { storage }) => {
    const turnstile = new Turnstile(storage);
    const alone = turnstile.enter();
    const [first, second] = [turnstile.enter(), turnstile.enter()];
    await first;
    await second;
    const after_a_crowd = turnstile.enter();
    await after_a_crowd;
    return [alone, first, second, after_a_crowd, turnstile.enter()].map((entering) => entering !== undefined);
  });
  expect(waited).toEqual([false, true, true, true, false]);
});

test("callers who come back one after the other are not watched; whoever else comes waits, and after a crowd they do too", async () => {
  const { stub } = await newVault();
  const waited = await runInDurableObject(stub, async (_vault, { storage }) => {
    const turnstile = new Turnstile(storage);
    const in_turn = [turnstile.enter(true), turnstile.enter(true)];
    const others = [turnstile.enter(), turnstile.enter(true)];
    for (const entering of others) await entering;
    return [...in_turn, ...others, turnstile.enter(true)].map((entering) => entering !== undefined);
  });
  expect(waited).toEqual([false, false, true, true, true]);
});
