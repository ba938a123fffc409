import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  accessSecret,
  firstOf,
  newFamilyKey,
  readSecret,
  spelledSecret,
  successorOf,
} from "../../src/crypto/lineage.ts";
import { networkOf } from "../../src/vault/policy/network.ts";
import { judgeRefresh, type Presented } from "../../src/vault/tokens/rotation.ts";

const presented: fc.Arbitrary<Presented> = fc.record({
  generation: fc.nat(6),
  head: fc.nat(6),
  superseded_at: fc.option(fc.nat(200_000)),
  right_client: fc.boolean(),
  head_used: fc.boolean(),
  known_place: fc.boolean(),
  repeats_in_minute: fc.nat(120),
  now: fc.constant(200_000),
});
/** What can be: nothing is presented that is newer than the head, and the head alone was not replaced. */
const possible = presented
  .filter(({ generation, head }) => generation <= head)
  .map((one) => (one.generation === one.head ? { ...one, superseded_at: null } : one));

describe("the judgement of a presented refresh token", () => {
  const young = { generation: 3, head: 5, superseded_at: 140_000, right_client: true, head_used: true };
  const base = { ...young, known_place: false, repeats_in_minute: 0, now: 200_000 };
  it.each<[string, Partial<Presented>, string]>([
    ["the head", { generation: 5, superseded_at: null }, "rotate"],
    ["replaced exactly a minute ago", {}, "repeat parallel"],
    ["replaced a millisecond longer ago", { superseded_at: 139_999 }, "end_family reuse"],
    ["replaced so long ago that it is forgotten", { superseded_at: null }, "end_family reuse"],
    ["the hundred and first in a minute", { repeats_in_minute: 100 }, "wait"],
    ["the one before, nothing used", { generation: 4, superseded_at: 1, head_used: false }, "repeat lost_answer"],
    ["the one before, in use, known place", { generation: 4, superseded_at: 1, known_place: true }, "repeat shared"],
    ["the one before, in use, elsewhere", { generation: 4, superseded_at: 1 }, "end_family reuse"],
    [
      "two before, nothing used, known place",
      { superseded_at: 1, head_used: false, known_place: true },
      "end_family reuse",
    ],
    ["the head, by another client", { generation: 5, right_client: false }, "end_family other_client"],
  ])("%s", (_what, change, wanted) => {
    const verdict = judgeRefresh({ ...base, ...change });
    expect("why" in verdict ? `${verdict.do} ${verdict.why}` : verdict.do).toBe(wanted);
  });

  it("rotates for the head only, and never ends a family over a number of repeats", () => {
    fc.assert(
      fc.property(possible, (one) => {
        const verdict = judgeRefresh(one);
        if (verdict.do === "rotate") expect(one.generation).toBe(one.head);
        const rested = judgeRefresh({ ...one, repeats_in_minute: 0 });
        expect(verdict.do === "end_family").toBe(rested.do === "end_family");
        if (verdict.do === "repeat" || verdict.do === "wait") expect(one.generation).toBeLessThan(one.head);
      }),
    );
  });
});

describe("descent", () => {
  it("is the same whoever derives it, and other for another key, generation or family", () => {
    const key = newFamilyKey();
    const first = firstOf(7);
    const second = successorOf(key, first);
    expect(successorOf(key, first)).toEqual(second);
    expect(second).toMatchObject({ family: 7, generation: 1 });
    expect(successorOf(newFamilyKey(), first).link).not.toEqual(second.link);
    expect(successorOf(key, { ...first, generation: 1 }).link).not.toEqual(second.link);
    expect(accessSecret(key, first, 0)).not.toEqual(accessSecret(key, first, 1));
    expect(accessSecret(key, first, 0)).not.toEqual(accessSecret(key, second, 0));
    expect(accessSecret(key, first, 0)).not.toEqual(accessSecret(key, first, 0, "narrower"));
    // The label keeps an access token's secret from ever being a successor's link.
    const said = Buffer.concat([first.link, Buffer.from("access"), Buffer.from([0, 0, 0, 9]), Buffer.from("x")]);
    expect(accessSecret(key, first, 9, "x")).toEqual(createHmac("sha256", key).update(said).digest());
    expect(accessSecret(key, first, 9)).toEqual(createHmac("sha256", key).update(said.subarray(0, -1)).digest());
  });

  it("is read back from the spelling of a secret, and from nothing else", () => {
    fc.assert(
      fc.property(
        fc.nat(2 ** 32 - 1),
        fc.nat(2 ** 32 - 1),
        fc.uint8Array({ minLength: 24, maxLength: 24 }),
        (f, n, link) => {
          const secret = { family: f, generation: n, link };
          expect(readSecret(spelledSecret(secret))).toEqual({ ...secret, link: new Uint8Array(link) });
        },
      ),
    );
    for (const other of ["", "z".repeat(43), "0".repeat(42), "0".repeat(44), `${"0".repeat(42)}-`])
      expect(readSecret(other)).toBeUndefined();
  });
});

describe("a network", () => {
  it.each([
    ["192.0.2.77", "192.0.2.0/24"],
    ["::ffff:192.0.2.77", "192.0.2.0/24"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"],
    ["not an address", "not an address"],
  ])("%s is in %s", (ip, network) => {
    expect(networkOf(ip)).toBe(network);
  });
});
