import type { Command } from "commander";
import { Argument } from "commander";
import { locker } from "../client.ts";
import { command, list, several, type Common } from "../command.ts";
import { usage } from "../failure.ts";
import { confirm } from "../prompts.ts";
import { variablesFor, wantedKeys } from "../secrets.ts";
import {
  assertName,
  TARGETS,
  targetOf,
  type Entry,
  type Held,
  type TargetName,
  type TargetOptions,
} from "../sync_targets.ts";
import { note, plain, sayJson, table } from "../terminal.ts";

type SyncOptions = Common & TargetOptions & { keys?: string[]; as?: string[]; dryRun?: boolean; yes?: boolean };

/** Handing secrets to places that keep them for programs. */
export function syncCommands(program: Command): void {
  command(program, "sync", "hand secrets to wrangler, vercel, github or a .env file, after showing what would change")
    .addArgument(new Argument("<target>", "where to").choices([...TARGETS]))
    .option("--keys <keys>", "keys, with commas (else those of .apilockerrc)", list)
    .option("--as <NAME=key>", "store this key there under this name, may be repeated", several)
    .option("--env <name>", "environment of the target")
    .option("--worker <name>", "Worker, for wrangler")
    .option("--repo <owner/name>", "repository, for github")
    .option("--file <path>", "file, for dotenv (.env)")
    .option("--dry-run", "only show what would change")
    .option("-y, --yes", "do not ask")
    .action(sync);
}

type Change = { name: string; change: "add" | "replace" | "same" };

async function sync(target: TargetName, options: SyncOptions): Promise<void> {
  const to = targetOf(target, options);
  const at = await locker(options);
  const names = new Map((options.as ?? []).map(readAs));
  const keys = options.keys === undefined && names.size > 0 ? [...names.keys()] : await wantedKeys(options.keys);
  if (names.size < (options.as?.length ?? 0)) throw usage("--as names a key twice.");
  const stray = [...names.keys()].find((key) => !keys.includes(key));
  if (stray !== undefined) throw usage(`--as names ${plain(stray)}, which is not among the keys.`);
  const variables = await variablesFor(at, keys);
  const entries = variables.map(({ name, value, key }) => ({ name: names.get(key) ?? name, value }));
  for (const [index, { name, value }] of entries.entries()) {
    assertName(name);
    if (entries.findIndex((other) => other.name === name) < index)
      throw usage(
        `Two secrets would be ${name} there.`,
        "Say --as another name for one; fields of a key have names of their own.",
      );
    if (value === "") throw usage(`${plain(name)} is empty; nothing was changed.`);
  }
  const held = await to.held();
  const changes = entries.map((entry) => ({ name: entry.name, change: changeOf(entry, held) }));
  const wanted = entries.filter((_, index) => changes[index]?.change !== "same");
  if (options.json !== true) show(changes);
  if (options.dryRun === true || wanted.length === 0) {
    if (options.json === true) sayJson({ items: changes, written: false });
    else note(wanted.length === 0 ? "Everything is there already." : "Nothing was written.");
    return;
  }
  await confirm(`Write ${wanted.length} to ${target}?`, options.yes ?? false);
  await to.put(wanted);
  if (options.json === true) sayJson({ items: changes, written: true });
  else note(`Wrote ${wanted.length} to ${target}.`);
}

function readAs(text: string): [string, string] {
  const [name = "", key = "", more] = text.split("=");
  if (name === "" || key === "" || more !== undefined) throw usage(`${JSON.stringify(text)} is not NAME=key.`);
  assertName(name);
  return [key, name];
}

function changeOf({ name, value }: Entry, held: Held): Change["change"] {
  if (!held.has(name)) return "add";
  return held.get(name) === value ? "same" : "replace";
}

function show(changes: readonly Change[]): void {
  const words = { add: "+ new", replace: "~ written over", same: "= as it is" };
  note(
    table(
      ["NAME", ""],
      changes.map(({ name, change }) => [name, words[change]]),
      process.stderr.isTTY ? process.stderr.columns : undefined,
    ),
  );
}
