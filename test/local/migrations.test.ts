import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";

const SRC = resolve(import.meta.dirname, "../../src");
const FOLDERS = ["vault/migrations", "directory/migrations"];
const ADDS = [
  /^CREATE TABLE \S+ \(/,
  /^CREATE (UNIQUE )?INDEX /,
  // A row that the release before writes names no such column: it must do without.
  /^ALTER TABLE \S+ ADD COLUMN \S+ \w+( NOT NULL DEFAULT \S+| DEFAULT \S+)?$/,
  // Some release before wrote to it: 0032 makes it again.
  /^DROP TABLE entry_link$/,
];

it("no table is gone in the end: whatever release is rolled back to finds its own", () => {
  for (const folder of FOLDERS) {
    const files = readdirSync(join(SRC, folder)).toSorted();
    const text = files.map((file) => readFileSync(join(SRC, folder, file), "utf8")).join("\n");
    const left = new Set<string>();
    for (const [, verb, table = ""] of text.matchAll(/^(CREATE|DROP) TABLE (\w+)/gm))
      if (verb === "CREATE") left.add(table);
      else left.delete(table);
    for (const [, table = ""] of text.matchAll(/^CREATE TABLE (\w+)/gm)) expect([...left]).toContain(table);
  }
});

// While a release rolls out, and after a rollback, the code of before works on the tables of after (docs/operations.md).
it.each(FOLDERS.flatMap((folder) => readdirSync(join(SRC, folder)).map((name) => join(folder, name))))(
  "%s only adds: the queries of the release before go on working",
  (file) => {
    const statements = readFileSync(join(SRC, file), "utf8")
      .replaceAll(/--.*$/gm, "")
      .split(";")
      .map((statement) => statement.trim())
      .filter((statement) => statement !== "");
    expect(statements.length).toBeGreaterThan(0);
    for (const statement of statements)
      expect(
        ADDS.some((adds) => adds.test(statement)),
        statement,
      ).toBe(true);
  },
);
