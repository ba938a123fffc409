import { expect, test } from "vitest";
import { Unanswered } from "../../src/proxy/unanswered.ts";

const MIB = 1024 * 1024;

/** A direction that closes when it is stopped, as a relay's does, unless its reader takes not even that. */
function direction(vault_id: string, { closes = true } = {}) {
  const seen = { stopped: 0, dropped: 0 };
  const stop = () => {
    seen.stopped++;
    if (closes) one.ended();
  };
  const one: Unanswered = new Unanswered(vault_id, stop, () => void seen.dropped++);
  const send = (mebibytes: number) => Array.from({ length: mebibytes }, () => one.maySend(MIB)).every((may) => may);
  return { one, seen, send };
}

/** What one call finds about another is done in the other's own invocation, a moment later. */
const aMoment = () => new Promise((resolve) => setTimeout(resolve));

test("a reader that says nothing is sent 32 MiB at most, and one that speaks as much as it likes", async () => {
  const [silent, speaking] = [direction("a"), direction("a")];
  for (let sent = 0; sent < 1_000; sent++) {
    expect(speaking.send(1)).toBe(true);
    speaking.one.heard();
  }
  expect(silent.send(32)).toBe(true);
  expect(silent.one.maySend(1)).toBe(false);
  expect(silent.one.maySend(1)).toBe(false);
  await aMoment();
  expect(silent.seen).toEqual({ stopped: 1, dropped: 0 });
  expect(speaking.seen.stopped).toBe(0);
  speaking.one.ended();
});

test("all silent readers of a vault share one bound: the one that has let most pass goes first, and other vaults notice nothing", async () => {
  const many = Array.from({ length: 6 }, () => direction("a"));
  const other = direction("b");
  expect(other.send(30)).toBe(true);
  for (const each of many) expect(each.send(5)).toBe(true);
  expect(many[3]?.send(3)).toBe(false);
  await aMoment();
  expect(many.map(({ seen }) => seen.stopped)).toEqual([0, 0, 0, 1, 0, 0]);
  // What the one that went had let pass counts no more.
  expect(many[0]?.send(7)).toBe(true);
  expect(many[1]?.send(1)).toBe(true);
  await aMoment();
  expect(many.map(({ seen }) => seen.stopped)).toEqual([1, 0, 0, 1, 0, 0]);
  expect(other.seen.stopped).toBe(0);
  for (const { one } of [...many, other]) one.ended();
});

test("readers that take not even the close hold 64 MiB together: the earlier are dropped for the later", async () => {
  const dead = Array.from({ length: 4 }, () => direction("a", { closes: false }));
  for (const { send } of dead) send(40);
  await aMoment();
  expect(dead.map(({ seen }) => seen.stopped)).toEqual([1, 1, 1, 1]);
  expect(dead.map(({ seen }) => seen.dropped)).toEqual([1, 1, 1, 0]);
  // Nor does it help to close first and leave what was sent unread.
  const leavers = Array.from({ length: 3 }, () => direction("a", { closes: false }));
  for (const { one, send } of leavers) {
    send(30);
    one.leaves();
  }
  await aMoment();
  expect([...dead, ...leavers].map(({ seen }) => seen.dropped)).toEqual([1, 1, 1, 1, 1, 1, 0]);
  for (const { one } of [...dead, ...leavers]) one.ended();
});
