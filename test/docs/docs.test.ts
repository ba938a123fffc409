import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { BROKEN_RULES } from "../mutation/rules.ts";
import { usualLocker } from "../support/locker.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const pages = [
  "README.md",
  "SECURITY.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

describe("the docs", () => {
  it.each(pages)("%s links to nothing that is not there", (page) => {
    const links = Array.from(read(page).matchAll(/\]\(([^)#\s]+)[^)]*\)/g), ([, link]) => link as string).filter(
      (link) => !/^[a-z]+:/.test(link),
    );
    for (const link of links) expect(existsSync(join(ROOT, dirname(page), link)), `${page} → ${link}`).toBe(true);
  });

  it.each(pages)("%s names no npm command that does not exist", (page) => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const [, name] of read(page).matchAll(/npm run ([a-z:-]+)/g))
      expect(Object.keys(scripts), page).toContain(name);
    for (const [, name] of read(page).matchAll(/npm (start|test)\b/g)) expect(Object.keys(scripts)).toContain(name);
  });

  it("every rule of the threat model names tests, and every test that it names is there", () => {
    const rows = read("docs/threat-model.md")
      .split("\n")
      .filter((line) => /^\| S\d+ /.test(line));
    expect(rows.map((row) => /^\| (S\d+) /.exec(row)?.[1])).toEqual(Array.from({ length: 29 }, (_, n) => `S${n + 1}`));
    for (const row of rows) {
      const tests = Array.from(row.matchAll(/`(test\/[^`]+)`/g), ([, path]) => path as string);
      for (const path of tests) expect(existsSync(join(ROOT, path)), path).toBe(true);
      expect(tests.length > 0 || row.includes("not built yet"), row).toBe(true);
    }
  });

  it("every rule of the threat model can be broken in one place, and the test that must notice is one of those it names", () => {
    const rows = new Map(
      Array.from(read("docs/threat-model.md").matchAll(/^\| (S\d+) .*$/gm), ([row, rule]) => [rule, row]),
    );
    expect(new Set(BROKEN_RULES.map(({ rule }) => rule))).toEqual(new Set(rows.keys()));
    for (const { rule, file, from, to, test } of BROKEN_RULES) {
      expect(read(file).split(from), `${rule}: say in test/mutation/rules.ts where ${from} stands now`).toHaveLength(2);
      expect(to).not.toBe(from);
      expect(rows.get(rule), rule).toContain(`\`${test}\``);
    }
  });

  it("every promise of the threat model names tests that are there", () => {
    const [, table = ""] = /## The promises\n([^]*?)\n## /.exec(read("docs/threat-model.md")) ?? [];
    const rows = table.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| promise"));
    expect(rows.length).toBeGreaterThan(5);
    for (const row of rows) expect(row, row).toMatch(/`test\//);
  });

  it("everything that the threat model says stays possible names the test that shows how far it goes, or the page that says why", () => {
    const [, list = ""] = /## What stays possible[^\n]*\n([^]*)$/.exec(read("docs/threat-model.md")) ?? [];
    const points = list.split(/^- /m).slice(1);
    expect(points.length).toBeGreaterThan(5);
    for (const point of points) expect(point, point).toMatch(/`test\/|\]\((design|decisions)\//);
  });

  it.each(pages)("%s names no test that is not there", (page) => {
    for (const [, path = ""] of read(page).matchAll(/`(test\/[\w./-]+\.ts)`/g))
      expect(existsSync(join(ROOT, path)), `${page} → ${path}`).toBe(true);
  });

  it("every requirement of the conformance page names tests, and every test that it names is there", () => {
    const rows = read("docs/conformance.md")
      .split("\n")
      .filter((line) => line.startsWith("| ") && !/^\| (requirement|\*\*[^|]+\*\* \| \| \|)/.test(line));
    expect(rows.length).toBeGreaterThan(50);
    for (const row of rows) {
      const tests = Array.from(row.matchAll(/`(test\/[^`]+)`/g), ([, path]) => path as string);
      expect(tests.length, row).toBeGreaterThan(0);
      for (const path of tests) expect(existsSync(join(ROOT, path)), path).toBe(true);
    }
  });

  it("no file names a machine's path or a registry's host", () => {
    const files = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter(
      (name) =>
        !/(^|\/)(node_modules|\.git|\.build|\.apilocker|\.wrangler)(\/|$)/.test(name) &&
        /\.(md|ts|mjs|json|jsonc|svg)$/.test(name),
    );
    for (const name of files) {
      if (name === relative(ROOT, import.meta.filename)) continue;
      expect(readFileSync(join(ROOT, name), "utf8"), name).not.toMatch(
        /registry\.npmjs|\/work\/main|\/work\/shared|\/root\//,
      );
    }
  });
});

describe("the README's commands", () => {
  let locker: LocalLocker;
  beforeAll(async () => {
    locker = await usualLocker();
  });

  it("sign in, store a key and mint a token, as they stand there", async () => {
    const [, signIn = ""] = /```sh\n\s*(SESSION=[^`]*)```/.exec(read("README.md")) ?? [];
    const blocks = Array.from(read("README.md").matchAll(/```sh\n\s*(curl[^`]*)```/g), ([, block]) => block as string);
    expect(blocks).toHaveLength(2);
    const here = (command: string) => command.replaceAll("http://localhost:8420", locker.publicOrigin);
    const run = async (command: string) => (await promisify(execFile)("bash", ["-c", here(command)])).stdout;
    const session = (await run(`${signIn.replace("you@", `${randomUUID()}@`)}\necho "$SESSION"`)).trim();
    expect(session).toMatch(/^alk_ses_/);
    const answers: Record<string, unknown>[] = [];
    for (const block of blocks) {
      const command = block.replace("sk-…", "sk-from-the-readme").replace("curl ", "curl -sS ");
      answers.push(JSON.parse(await run(`SESSION=${session}\n${command}`)) as Record<string, unknown>);
    }
    expect(answers[0]).toMatchObject({ name: "openai", provider: "openai", version: 1 });
    expect(answers[1]).toMatchObject({ token: expect.stringMatching(/^alk_app_/) });
  });
});
