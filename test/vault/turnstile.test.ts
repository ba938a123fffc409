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

test("callers who come back one after the other are not watched, and one who comes back to a crowd waits with it", async () => {
  const { stub } = await newVault();
  const waited = await runInDurableObject(stub, async (_vault, { storage }) => {
    const turnstile = new Turnstile(storage);
    const in_turn = [turnstile.enter(true), turnstile.enter(true)];
    const unknown = turnstile.enter();
    const during_its_flush = turnstile.enter(true);
    await during_its_flush;
    return [...in_turn, unknown, during_its_flush, turnstile.enter(true)].map((entering) => entering !== undefined);
  });
  expect(waited).toEqual([false, false, false, true, false]);
});
