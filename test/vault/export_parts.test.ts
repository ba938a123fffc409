import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { exported } from "../../src/api/export_parts.ts";
import type { Identified } from "../../src/auth/caller.ts";
import { retain } from "../../src/vault/audit/retention.ts";
import type { ActivityFilter } from "../../src/vault/audit/activity_filter.ts";
import { counted, longLog } from "../support/long_log.ts";
import { storeKey } from "../support/vault.ts";

/** What a request of a deployment's Worker may ask of D1. */
const D1_LIMIT = 1_000;
const DAY_MS = 86_400_000;

type File = { text: string; type: string; name: string; statements: number };

/** All parts, each asked for by the address that the one before names. */
async function parts(who: Identified, format: "csv" | "jsonl", filter: ActivityFilter = {}, part_rows?: number) {
  const files: File[] = [];
  let url: URL | undefined = new URL("https://locker.example/v1/activity/export");
  while (url !== undefined) {
    const once = counted(env);
    const cursor = url.searchParams.get("cursor");
    const wanted = { ...filter, format, cursor: cursor === null ? undefined : Number(cursor) };
    const part = await exported(once.env, who, wanted, url.href, part_rows);
    const { headers } = part;
    files.push({
      text: await part.text(),
      type: headers.get("content-type") ?? "",
      name: headers.get("content-disposition") ?? "",
      statements: once.statements(),
    });
    const next = /^<(.*)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
    url = next === undefined ? undefined : new URL(next, url);
  }
  return files;
}

const numbers = (files: File[]) =>
  files.flatMap(({ text }) => text.trim().split("\n")).flatMap((line) => (line === "" ? [] : [JSON.parse(line).seq]));

const downFrom = (seq: number) => Array.from({ length: seq }, (_, n) => seq - n);

it("an export in parts holds every row once, newest first, wherever rows are", async () => {
  const { vault, who } = await longLog(4_600);
  await retain(env.DB, vault.id, Date.now() + 31 * DAY_MS);
  for (let n = 0; n < 5; n++) await storeKey(vault, `k${n}`);
  const newest = Number(numbers(await parts(who, "jsonl"))[0]);
  for (const part_rows of [999, 1_000, 1_500, newest - 1, newest, newest + 1]) {
    const files = await parts(who, "jsonl", {}, part_rows);
    expect(files, String(part_rows)).toHaveLength(Math.ceil(newest / part_rows));
    expect(numbers(files)).toEqual(downFrom(newest));
  }
});

it("parts of a filtered export are no more than hold something", async () => {
  const { who } = await longLog(4_600);
  const renames = await parts(who, "jsonl", { action: "key.rename" }, 1_500);
  expect(renames).toHaveLength(4);
  expect(numbers(renames)).toEqual(downFrom(460).map((n) => n * 10));
  const soon = new Date(Date.now() + 3 * 60 * 60_000).toISOString();
  expect(await parts(who, "jsonl", { since: soon }, 1_500)).toHaveLength(1);
  expect(await parts(who, "jsonl", { action: "key.delete" }, 1_500)).toHaveLength(1);
});

it("what does not need parts is one file; parts of a table are one table when they are put together", async () => {
  const { who } = await longLog(1_200);
  const [whole, ...others] = await parts(who, "csv");
  expect(others).toEqual([]);
  expect(whole?.name).toMatch(/filename="activity-[^"]*[a-z]\.csv"$/);
  const files = await parts(who, "csv", {}, 500);
  expect(files.map(({ text }) => text).join("")).toBe(whole?.text);
  expect(files.map(({ type }) => type.split("; ").at(-1))).toEqual([
    "header=present",
    ...files.slice(1).map(() => "header=absent"),
  ]);
  expect(new Set(files.map(({ name }) => name)).size).toBe(files.length);
});

it("no part of any export asks more of D1 than one request may", async () => {
  const { who } = await longLog(120_000);
  for (const filter of [{}, { action: "key.rename" }, { action: "key.delete" }]) {
    const files = await parts(who, "jsonl", filter);
    for (const { statements } of files) expect(statements).toBeLessThan(D1_LIMIT / 2);
  }
}, 120_000);
