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
  // Not read since 0016, but written to in one place until the release that dropped it: rolled back over that one, replacing a key's version fails.
  /^DROP TABLE entry_link$/,
];

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
