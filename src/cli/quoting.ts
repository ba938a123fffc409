import type { Environment } from "./environment.ts";

/** Shells that `env` speaks. */
export const SHELLS = ["sh", "fish", "powershell"] as const;
export type Shell = (typeof SHELLS)[number];

/** A statement that sets a variable in the shell that evaluates it, whatever the value is. */
export function exportLine(shell: Shell, name: string, value: string): string {
  switch (shell) {
    case "sh":
      return `export ${name}=${quoteSh(value)}`;
    case "fish":
      return `set -gx ${name} ${quoteFish(value)}`;
    case "powershell":
      return `$env:${name} = ${quotePowerShell(value)}`;
  }
}

/** Inside single quotes sh knows no special character; a quote ends them, is escaped by itself, and they begin again. */
export function quoteSh(value: string): string {
  return `'${value.replace(/'/g, `'\\''`)}'`;
}

/** In fish a backslash is special inside single quotes too, before a quote and before a backslash. */
export function quoteFish(value: string): string {
  return `'${value.replace(/[\\']/g, "\\$&")}'`;
}

/** PowerShell doubles quotes, and takes several typographic ones for the plain one. */
export function quotePowerShell(value: string): string {
  return `'${value.replace(/['\u2018\u2019\u201A\u201B]/g, "$&$&")}'`;
}

/** The shell that somebody most likely uses. */
export function usualShell(platform: NodeJS.Platform, env: Environment): Shell {
  if (platform === "win32" && env.SHELL === undefined) return "powershell";
  return /(^|\/)fish$/.test(env.SHELL ?? "") ? "fish" : "sh";
}

/**
 * One argument of a batch file's command line. `cmd.exe` reads the line before the batch file's program does, so the argument is
 * quoted for the program and then every character that cmd knows is escaped; twice, since `.cmd` shims pass `%*` on.
 */
export function quoteCmd(argument: string): string {
  const quoted = `"${argument.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\*)$/, "$1$1")}"`;
  return escapeCmd(escapeCmd(quoted));
}

/** What `cmd.exe` takes as it is: a caret before each character that means something to it. */
export function escapeCmd(text: string): string {
  return text.replace(/[()\][%!^"`<>&|;, *?]/g, "^$&");
}
