import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { constants as system } from "node:os";
import { win32 } from "node:path";
import type { Environment } from "./environment.ts";
import { Failure, usage } from "./failure.ts";
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
  isThere: (path: string) => boolean = isFile,
): Invocation {
  if (platform !== "win32") return { program: command, args: [...args], verbatim: false };
  const found = lookUp(command, env, isThere) ?? command;
  if (!/\.(cmd|bat)$/i.test(found)) return { program: found, args: [...args], verbatim: false };
  // There the line would end for cmd, and what follows be a command of its own to whoever reads on.
  if (args.some((one) => /[\r\n\0]/.test(one)))
    throw usage(`${command} is a batch file, which takes no argument with a line break.`);
  const line = [escapeCmd(found), ...args.map(quoteCmd)].join(" ");
  return { program: env.comspec ?? env.ComSpec ?? "cmd.exe", args: ["/d", "/s", "/c", `"${line}"`], verbatim: true };
}

/** Where Windows would find a command: in each folder of PATH with each ending of PATHEXT, and not in the folder that one is in. */
function lookUp(command: string, env: Environment, isThere: (path: string) => boolean): string | undefined {
  const valueOf = (wanted: string) => Object.entries(env).find(([name]) => name.toUpperCase() === wanted)?.[1];
  const endings = (valueOf("PATHEXT") || ".COM;.EXE;.BAT;.CMD").toLowerCase().split(";");
  const names = win32.extname(command) === "" ? endings.map((ending) => command + ending) : [command];
  const folders = /[\\/]/.test(command) ? [""] : (valueOf("PATH") ?? "").split(win32.delimiter).filter(Boolean);
  return folders
    .flatMap((folder) => names.map((name) => (folder === "" ? name : win32.join(folder.replace(/^"|"$/g, ""), name))))
    .find(isThere);
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
