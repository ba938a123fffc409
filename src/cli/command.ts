import { Command, InvalidArgumentError, Option } from "commander";
import { locker, type Locker } from "./client.ts";
import { sayJson } from "./terminal.ts";

/** Options that every command has. */
export type Common = { json?: boolean; profile?: string };

/** A command of ours: its name and arguments, what it does, and the two options that all have. */
export function command(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .option("--json", "print JSON")
    .option("--profile <name>", "sign-in to use, when there are several");
}

/** A group of commands. Without one of them it shows what there is. */
export function group(parent: Command, name: string, description: string): Command {
  const made = parent.command(name).description(description);
  return made.action(() => made.help());
}

/** Does the work with a signed-in locker; what comes back is shown as JSON or by `show`. */
export async function answer<T>(
  common: Common,
  work: (locker: Locker) => Promise<T>,
  show: (done: T) => void,
): Promise<void> {
  const done = await work(await locker(common));
  if (common.json === true) sayJson(done);
  else show(done);
}

/** A number of at least one. */
export function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("It must be a whole number from 1 on.");
  return number;
}

/** `a,b` and repeated options both make lists. */
export function list(text: string, before: string[] = []): string[] {
  return [
    ...before,
    ...text
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== ""),
  ];
}

/** An option that may come several times, each with one value as it is. */
export function several(text: string, before: string[] = []): string[] {
  return [...before, text];
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** `90s`, `15m`, `12h`, `30d`, `2w` in seconds. */
export function duration(text: string): number {
  const [, number, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (number === undefined || unit === undefined) throw new InvalidArgumentError("Say 90s, 15m, 12h, 30d or 2w.");
  return Number(number) * (UNITS[unit] ?? 1);
}

/** One of a few words. */
export function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices([...choices]);
}
