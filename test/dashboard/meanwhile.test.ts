import { describe, expect, it } from "vitest";
import { isDeep } from "../../src/dashboard/data/deep.ts";
import { laidOver } from "../../src/dashboard/data/meanwhile.ts";

const paused = { id: "key_1", shown: { paused: true } };

describe("what was asked for, laid over what was read", () => {
  const one = { id: "key_1", name: "a", paused: false, parent: { id: "key_1", paused: false } };
  const other = { id: "key_2", paused: false };

  it.each([
    ["a thing", one, { ...one, paused: true }],
    ["a list of things", [one, other], [{ ...one, paused: true }, other]],
    ["a page of a list", { items: [one, other] }, { items: [{ ...one, paused: true }, other] }],
    [
      "the pages of a list",
      { pages: [{ items: [other] }, { items: [one], next_cursor: "c" }], pageParams: [1] },
      { pages: [{ items: [other] }, { items: [{ ...one, paused: true }], next_cursor: "c" }], pageParams: [1] },
    ],
    ["what is none of them", "text", "text"],
    ["nothing", undefined, undefined],
  ])("shows it in %s, and nowhere else", (_what, read, shown) => {
    const before = structuredClone(read);
    expect(laidOver<unknown>(read, [paused])).toEqual(shown);
    expect(read, "what was read stays as it was").toEqual(before);
  });

  it("shows what was asked for last, and what was read where nothing was", () => {
    expect(laidOver(one, [paused, { id: "key_1", shown: { paused: false } }])).toEqual(one);
    expect(laidOver(one, [])).toBe(one);
  });
});

describe("a list", () => {
  const [full, short] = [Array.from({ length: 50 }, () => ({})), [{}]];
  const deep = (pages: object[] | undefined, limit?: number) =>
    isDeep({ queryKey: ["GET /activity", "pages", { query: { limit } }], state: { data: { pages } } });

  it("is not read with every call where a page of it took looking far back", () => {
    expect(deep([{ items: full, next_cursor: "c" }, { items: short }])).toBe(false);
    expect(deep([{ items: short }])).toBe(false);
    expect(deep(undefined)).toBe(false);
    expect(deep([{ items: [], next_cursor: "c" }])).toBe(true);
    expect(
      deep([
        { items: full, next_cursor: "c" },
        { items: short, next_cursor: "d" },
      ]),
    ).toBe(true);
    expect(deep([{ items: full, next_cursor: "c" }], 200)).toBe(true);
  });
});
