import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { constants as system } from "node:os";
import { delimiter, extname, join } from "node:path";
import type { Environment } from "./environment.ts";
import { Failure } from "./failure.ts";
import { escapeCmd, quoteCmd } from "./quoting.ts";

/** As shells have it: not found, and found but not to be run. */
const NOT_FOUND = 127;
const NOT_RUNNABLE = 126;
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

export type Invocation = { program: string; args: string[]; verbatim: boolean };

/**
 * How a command is started. On Windows what `npm` and most tools install are batch files, which only `cmd.exe` runs, so they are
 * looked up as `cmd` would and quoted for it; everywhere else the arguments are passed as they are.
 */
export function invocationOf(
  command: string,
  args: readonly string[],
  platform: NodeJS.Platform,
  env: Environment,
): Invocation {
  if (platform !== "win32") return { program: command, args: [...args], verbatim: false };
  const found = lookUp(command, env) ?? command;
  if (!/\.(cmd|bat)$/i.test(found)) return { program: found, args: [...args], verbatim: false };
  const line = [escapeCmd(found), ...args.map(quoteCmd)].join(" ");
  return { program: env.comspec ?? env.ComSpec ?? "cmd.exe", args: ["/d", "/s", "/c", `"${line}"`], verbatim: true };
}

/** Where Windows would find a command: in each folder of PATH with each ending of PATHEXT. */
function lookUp(command: string, env: Environment): string | undefined {
  const path = Object.entries(env).find(([name]) => name.toUpperCase() === "PATH")?.[1] ?? "";
  const endings = extname(command) === "" ? (env.PATHEXT ?? ".COM;.EXE;.BAT;.CMD").split(";") : [""];
  const folders = /[\\/]/.test(command) ? [""] : path.split(delimiter);
  for (const folder of folders)
    for (const ending of endings) {
      const candidate = folder === "" ? command + ending.toLowerCase() : join(folder, command + ending.toLowerCase());
      if (isFile(candidate)) return candidate;
    }
  return undefined;
}

function isFile(path: string): boolean {
  try {
    accessSync(path, constants.F_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Starts a command without a shell. */
export function start(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const { program, args: given, verbatim } = invocationOf(command, args, process.platform, options.env ?? process.env);
  return spawn(program, given, { ...options, shell: false, windowsVerbatimArguments: verbatim });
}

/** The child's end as an exit code: its own, or 128 + n where a signal ended it. Until then our signals are its signals. */
export function ended(child: ChildProcess, command: string): Promise<number> {
  const forward = (signal: NodeJS.Signals) => {
    // A terminal sends its interrupt to the whole group: the child has it already, and a second one often means "at once".
    if ((signal === "SIGINT" || signal === "SIGQUIT") && process.stdin.isTTY) return;
    child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return new Promise<number>((resolve, reject) => {
    child.on("error", (fault: NodeJS.ErrnoException) => reject(notStarted(command, fault)));
    child.on("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : system.signals[signal])));
  }).finally(() => {
    for (const signal of FORWARDED) process.off(signal, forward);
  });
}

function notStarted(command: string, { code = "" }: NodeJS.ErrnoException): Failure {
  if (code === "ENOENT")
    return new Failure(`${command}: there is no such command.`, { exit_code: NOT_FOUND, code: "not_found" });
  return new Failure(`${command} cannot be run (${code}).`, { exit_code: NOT_RUNNABLE, code: "not_runnable" });
}
