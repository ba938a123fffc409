import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, it } from "vitest";
import { docsOf, placesIn } from "../../src/cli/docs.ts";
import { PRINTED } from "../../src/cli/json.ts";
import { programOf } from "../../src/cli/program.ts";

const PATH = join(import.meta.dirname, "..", "..", "docs", "cli.md");

it("docs/cli.md says what the commands say", () => {
  const docs = docsOf(programOf());
  if (process.env.UPDATE_DOCS) writeFileSync(PATH, docs);
  expect(readFileSync(PATH, "utf8")).toBe(docs);
});

it("every command says what it is for", () => {
  for (const line of docsOf(programOf()).split("\n")) expect(line).not.toMatch(/undefined|: $/);
});

it("every command that answers can answer in JSON, for a sign-in of one's choice", () => {
  for (const { words, command } of placesIn(programOf()))
    if (words[0] !== "completion")
      expect(
        command.options.map(({ long }) => long),
        words.join(" "),
      ).toEqual(expect.arrayContaining([...COMMON]));
});

it("every command that answers says what its JSON is", () => {
  const paths = placesIn(programOf()).map(({ words }) => words.join(" "));
  const short = new Set(paths.map((path) => path.replace(/^keys add$/, "store").replace(/^keys /, "")));
  expect([...short].toSorted()).toEqual(Object.keys(PRINTED).toSorted());
});

it("every command, and every option of each, is run by a test beside this one", () => {
  const program = programOf();
  const run = new Set(runsIn(sources()).flatMap((words) => namesIn(program, words)));
  // What stands at the top and under `keys` is the same command: its options are tried once.
  const tried = new Set([...run].map(withoutKeys));
  const missing = placesIn(program).flatMap(({ words, command }) => {
    const path = words.join(" ");
    const options = command.options.flatMap(({ long }) => (long && !COMMON.has(long) ? [`${path} ${long}`] : []));
    return [...(run.has(path) ? [] : [path]), ...options.filter((one) => !tried.has(withoutKeys(one)))];
  });
  expect(missing).toEqual([]);
});

const withoutKeys = (path: string) => path.replace(/^keys (?!add)/, "").replace(/^keys add\b/, "store");

function sources(): string {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.ts"));
  return files.map((name) => readFileSync(join(import.meta.dirname, name), "utf8")).join("\n");
}

/** The lists that begin with a word of text, as runs of the command line are written, and lines that are split into words. */
function runsIn(source: string): string[][] {
  const lines = [...source.matchAll(/"([^"\n]*)"\s*\.split\(\s*" ",?\s*\)/g)].map(([, line = ""]) => line.split(" "));
  const lists = [...source.matchAll(/[[](?=\s*")(?:"(?:[^"\\\n]|\\.)*"|[^"[\]]|\[[^\]]*\])*\]/g)].map(([list]) =>
    [...list.matchAll(/"((?:[^"\\\n]|\\.)*)"/g)].map(([, word = ""]) => word),
  );
  return [...lines, ...lists];
}

/** The command that words run, and each of its options among them. */
function namesIn(program: Command, words: readonly string[]): string[] {
  let command = program;
  const path: string[] = [];
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (next === undefined) break;
    command = next;
    path.push(next.name());
  }
  if (path.length === 0) return [];
  const long = (word: string) =>
    command.options.find((option) => [option.long, option.short].includes(word.split("=")[0] ?? ""))?.long;
  const name = path.join(" ");
  return [name, ...words.flatMap((word) => (long(word) === undefined ? [] : [`${name} ${long(word)}`]))];
}

/** What all have; `json` of a test's computer adds the first. */
const COMMON = new Set(["--json", "--profile"]);
