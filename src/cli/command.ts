import { Command, InvalidArgumentError, Option } from "commander";
import { locker, type Locker } from "./client.ts";
import { sayJson } from "./terminal.ts";
import { secondsIn } from "./times.ts";

/** Options that every command has. */
export type Common = { json?: boolean; profile?: string };

/** A command of ours: its name and arguments, what it does, and the two options that all have. `isDefault`: its group alone means it. */
export function command(parent: Command, name: string, description: string, { isDefault = false } = {}): Command {
  const made = parent.command(name, { isDefault });
  return made
    .description(description)
    .showHelpAfterError(`(see: ${callOf(made)} --help)`)
    .option("--json", "print JSON")
    .option("--profile <name>", "sign-in to use, when there are several");
}

/** How somebody calls a command. */
function callOf(made: Command): string {
  return made.parent === null ? made.name() : `${callOf(made.parent)} ${made.name()}`;
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
  show: (done: T, at: Locker) => void | Promise<void>,
): Promise<void> {
  const at = await locker(common);
  const done = await work(at);
  if (common.json === true) sayJson(done);
  else await show(done, at);
}

/** A number of at least one. */
export function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("It must be a whole number from 1 on.");
  return number;
}

/** An amount of money: any number above nothing. */
export function amount(text: string): number {
  const number = Number(text);
  if (!Number.isFinite(number) || number <= 0) throw new InvalidArgumentError("It must be a number above 0.");
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

/** `90s`, `15m`, `12h`, `30d`, `2w` in seconds. */
export function duration(text: string): number {
  const seconds = secondsIn(text);
  if (seconds === undefined) throw new InvalidArgumentError("Say 90s, 15m, 12h, 30d or 2w.");
  return seconds;
}

/** One of a few words. */
export function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices([...choices]);
}
