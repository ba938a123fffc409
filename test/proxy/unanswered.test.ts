import { expect, test } from "vitest";
import { Unanswered } from "../../src/proxy/unanswered.ts";

const MIB = 1024 * 1024;

/** A direction that ends when it is stopped, as a relay's does. */
function direction(vault_id: string) {
  const seen = { stopped: 0 };
  const one: Unanswered = new Unanswered(vault_id, () => {
    seen.stopped++;
    one.ended();
  });
  return { one, seen };
}

test("a reader that says nothing is sent 64 MiB at most, and one that speaks as much as it likes", () => {
  const [silent, speaking] = [direction("a"), direction("a")];
  for (let sent = 0; sent < 1_000; sent++) {
    speaking.one.sent(MIB);
    speaking.one.heard();
  }
  for (let sent = 0; sent < 64; sent++) silent.one.sent(MIB);
  expect(silent.seen.stopped).toBe(0);
  silent.one.sent(1);
  expect(silent.seen.stopped).toBe(1);
  expect(speaking.seen.stopped).toBe(0);
  speaking.one.ended();
});

test("all silent readers of a vault share one bound: the one that has let most pass goes first, and other vaults notice nothing", () => {
  const many = Array.from({ length: 6 }, () => direction("a"));
  const other = direction("b");
  other.one.sent(60 * MIB);
  for (let sent = 0; sent < 10; sent++) for (const { one } of many) one.sent(MIB);
  expect(many.every(({ seen }) => seen.stopped === 0)).toBe(true);
  many[3]?.one.sent(5 * MIB);
  expect(many.map(({ seen }) => seen.stopped)).toEqual([0, 0, 0, 1, 0, 0]);
  // What the one that went had let pass counts no more.
  many[0]?.one.sent(10 * MIB);
  expect(many.filter(({ seen }) => seen.stopped > 0)).toHaveLength(1);
  expect(other.seen.stopped).toBe(0);
  for (const { one } of [...many, other]) one.ended();
});
