import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { docsOf } from "../../src/cli/docs.ts";
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
