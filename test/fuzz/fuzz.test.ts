import { runInThisContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { Coverage } from "./coverage.ts";
import { fuzz, type Target } from "./fuzz.ts";
import { TARGETS } from "./targets.ts";

/** A function, with its places watched or not. */
function made(source: string, coverage?: Coverage): { run: unknown; words: string[] } {
  const { code, words } = coverage?.instrument("made.ts", source) ?? { code: source, words: [] };
  return { run: runInThisContext(`(() => { ${code}; return run; })()`), words };
}

const most = (executions: number) => (so_far: number) => so_far < executions;

describe("the search", () => {
  const HIDDEN = `function run([text]) {
    if (text[0] === "k") if (text[1] === "e") if (text[2] === "y") if (text.length > 4) throw new Error("found");
  }`;

  test("finds what only one step after another leads to, tells it as small as it is, and the same with the same seed", async () => {
    const search = async () => {
      const coverage = new Coverage();
      const run = made(HIDDEN, coverage).run as Target["run"];
      return fuzz({ seeds: [["a"]], run }, { coverage, words: [], seed: 7, goOn: most(200_000) });
    };
    const found = await search();
    expect(found.failure?.fields[0]).toMatch(/^key..$/s);
    expect(found.failure?.fault).toEqual(new Error("found"));
    expect(await search()).toEqual(found);
  });

  test("is led by the ways that runs take: without them as many runs find nothing", async () => {
    const run = made(HIDDEN).run as Target["run"];
    const options = { coverage: new Coverage(), words: [], seed: 7, goOn: most(200_000) };
    expect(await fuzz({ seeds: [["a"]], run }, options)).toMatchObject({ failure: undefined, corpus: [["a"]] });
  });

  test("knows the words that stand in the source", async () => {
    const coverage = new Coverage();
    const { run, words } = made(
      `function run([text]) { if (text.includes("x-apilocker-secret")) throw new Error("found"); }`,
      coverage,
    );
    const { failure } = await fuzz(
      { seeds: [[""]], run: run as Target["run"] },
      { coverage, words, seed: 1, goOn: most(5_000) },
    );
    expect(failure?.fields).toEqual(["x-apilocker-secret"]);
  });
});

type Told = (n: number) => string;

describe("code whose places are watched", () => {
  const SOURCE = `
    function run(n, given = n > 2 ? "many" : "few") {
      const all = [];
      for (let i = 0; i < n; i++) if (i % 2) all.push(i); else all.push(-i);
      for (const each of all) { if (each > 2) break; else continue; }
      const double = (x) => ({ twice: x * 2 });
      let text = n && double(n).twice;
      switch (n) { case 0: text = "none"; break; case 1: case 2: text ??= "some"; default: text += given; }
      do text += "."; while (text.length < 3);
      try { if (n === 4) throw new Error("four"); } catch { text = "caught"; }
      function* count(to) { for (let i = 0; i < to; i++) yield i; }
      class Box { #n = n; get n() { return this.#n || 1; } static of = () => new Box(); }
      return JSON.stringify([text, all, [...count(n)], Box.of().n, given]);
    }`;

  test("does what it did", () => {
    const [plain, watched] = [undefined, new Coverage()].map((coverage) => made(SOURCE, coverage).run as Told);
    for (const n of [0, 1, 2, 3, 4, 5]) expect(watched?.(n)).toBe(plain?.(n));
  });

  test("tells where it came by, and whether it went a way that it had not gone", () => {
    const coverage = new Coverage();
    const run = made(SOURCE, coverage).run as Told;
    const went = (n: number) => {
      coverage.begin();
      run(n);
      return coverage.isNew();
    };
    expect([went(1), went(1), went(2), went(2), went(4), went(1)]).toEqual([true, false, true, false, true, false]);
    for (const n of [0, 3]) run(n);
    const { reached, count } = coverage.reached()[0] ?? { reached: 0, count: 0 };
    expect(count).toBeGreaterThan(20);
    expect(reached).toBe(count);
  });
});

describe("what must hold", () => {
  // All but one, which would load the whole MCP server for it.
  test.each(Object.keys(TARGETS).filter((name) => name !== "json_rpc"))(
    "of %s holds for what it begins with, and for some hundred changes of it",
    async (name) => {
      const { target } = await (TARGETS[name] as (typeof TARGETS)[string]).load();
      const { failure } = await fuzz(target, { coverage: new Coverage(), words: [], seed: 3, goOn: most(150) });
      expect(failure).toBeUndefined();
    },
  );
});
