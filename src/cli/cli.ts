import { CommanderError } from "commander";
import { EXIT, Failure } from "./failure.ts";
import { programOf } from "./program.ts";
import { note, paint } from "./terminal.ts";

/** One run of the command line. How it ended is the process's exit code. */
export async function cli(args: readonly string[]): Promise<void> {
  try {
    await programOf().parseAsync(args, { from: "user" });
  } catch (fault) {
    process.exitCode = report(fault, args.includes("--json"));
  }
}

/** Says what went wrong, and what to do about it, where a program reads it if one does; the exit code says which kind it was. */
function report(fault: unknown, json: boolean): number {
  // Commander has said it already.
  if (fault instanceof CommanderError) return fault.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const failure = fault instanceof Failure ? fault : unexpected(fault);
  const { message, code, hint, exit_code } = failure;
  if (json) note(JSON.stringify({ error: { code, message, hint } }));
  else
    note(
      `${paint("apilocker:", "red", process.stderr)} ${message}${hint === undefined ? "" : `\n${paint(hint, "dim", process.stderr)}`}`,
    );
  return exit_code;
}

function unexpected(fault: unknown): Failure {
  if (process.env.APILOCKER_DEBUG) console.error(fault);
  const { code, message } =
    fault instanceof Error ? (fault as NodeJS.ErrnoException) : { code: undefined, message: String(fault) };
  return new Failure(code === undefined ? `Something unexpected happened: ${message}` : message, {
    hint: "APILOCKER_DEBUG=1 shows where.",
  });
}
