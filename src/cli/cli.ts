import { CommanderError } from "commander";
import { EXIT, Failure, usage } from "./failure.ts";
import { programOf, withoutValues } from "./program.ts";
import { note, paint } from "./terminal.ts";

/** One run of the command line. How it ended is the process's exit code. */
export async function cli(args: readonly string[]): Promise<void> {
  // What follows `--` is another command's.
  const ours = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  const json = ours.includes("--json");
  try {
    await programOf({ json }).parseAsync(args, { from: "user" });
  } catch (fault) {
    process.exitCode = report(fault, json);
  }
}

/** Says what went wrong, and what to do about it, where a program reads it if one does; the exit code says which kind it was. */
function report(fault: unknown, json: boolean): number {
  // Help is no fault, and what else commander has to say, it has said to a person already.
  if (fault instanceof CommanderError && (fault.exitCode === 0 || !json))
    return fault.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const failure = failureIn(fault);
  const { message, code, hint, exit_code } = failure;
  if (json) note(JSON.stringify({ error: { code, message, hint } }));
  else
    note(
      `${paint("apilocker:", "red", process.stderr)} ${message}${hint === undefined ? "" : `\n${paint(hint, "dim", process.stderr)}`}`,
    );
  return exit_code;
}

function failureIn(fault: unknown): Failure {
  if (fault instanceof Failure) return fault;
  if (fault instanceof CommanderError)
    return usage(
      withoutValues(fault.message)
        .replace(/^error: /, "")
        .trim(),
    );
  return unexpected(fault);
}

function unexpected(fault: unknown): Failure {
  if (process.env.APILOCKER_DEBUG) console.error(fault);
  const { code, message } =
    fault instanceof Error ? (fault as NodeJS.ErrnoException) : { code: undefined, message: String(fault) };
  return new Failure(code === undefined ? `Something unexpected happened: ${message}` : message, {
    hint: "APILOCKER_DEBUG=1 shows where.",
  });
}
