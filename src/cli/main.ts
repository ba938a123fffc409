import { CommanderError } from "commander";
import { EXIT, Failure } from "./failure.ts";
import { programOf } from "./program.ts";
import { note, paint } from "./terminal.ts";

/** A reader that goes away (`apilocker list | head`) is no fault of ours. */
process.stdout.on("error", (fault: NodeJS.ErrnoException) =>
  process.exit(fault.code === "EPIPE" ? EXIT.ok : EXIT.error),
);

try {
  await programOf().parseAsync();
} catch (fault) {
  process.exitCode = report(fault);
}

/** Says what went wrong, and what to do about it, where a program reads it if one does; the exit code says which kind it was. */
function report(fault: unknown): number {
  // Commander has said it already.
  if (fault instanceof CommanderError) return fault.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const failure = fault instanceof Failure ? fault : unexpected(fault);
  const { message, code, hint, exit_code } = failure;
  if (process.argv.includes("--json")) note(JSON.stringify({ error: { code, message, hint } }));
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
