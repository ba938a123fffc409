import { open } from "node:fs/promises";
import type { Command } from "commander";
import { locker } from "../client.ts";
import { choice, command, list, type Common } from "../command.ts";
import { Failure } from "../failure.ts";
import { askSeveral } from "../prompts.ts";
import { exportLine, SHELLS, usualShell, type Shell } from "../quoting.ts";
import { findRc, RC_NAME, rcText } from "../rc_file.ts";
import { runCommand, type RunOptions } from "../run.ts";
import { variablesFor, wantedKeys } from "../secrets.ts";
import { note, say, sayJson } from "../terminal.ts";

/** Using keys in a project. */
export function useCommands(program: Command): void {
  command(program, "run <command...>", "run a command with the keys that it needs")
    .usage("[--proxy] [--keys a,b] -- command …")
    .option("--proxy", "give it no secret: the address of the proxy and a token that ends with it")
    .option("--keys <keys>", `keys, with commas (else those of ${RC_NAME})`, list)
    .option("--no-mask", "do not blot secrets out of what it prints, and leave it the terminal")
    // What follows the command is the command's own, `--help` too.
    .passThroughOptions()
    .allowUnknownOption(false)
    .action((words: string[], options: RunOptions) => runCommand(words, options));

  command(program, "env", "print secrets as statements for a shell; the device must be unlocked")
    .option("--keys <keys>", `keys, with commas (else those of ${RC_NAME})`, list)
    .addOption(choice("--format <shell>", "for which shell", SHELLS).default(usualShell(process.platform, process.env)))
    .action(async ({ keys, format, ...options }: Common & { keys?: string[]; format: Shell }) => {
      const variables = await variablesFor(await locker(options), await wantedKeys(keys));
      if (options.json === true) return sayJson(Object.fromEntries(variables.map(({ name, value }) => [name, value])));
      for (const { name, value } of variables) say(exportLine(format, name, value));
    });

  command(program, "init", `write ${RC_NAME}: the keys that this project needs, without a secret`)
    .option("--keys <keys>", "keys, with commas", list)
    .option("--force", "write over one that is there")
    .action(init);
}

async function init({ keys, force = false, ...options }: Common & { keys?: string[]; force?: boolean }): Promise<void> {
  const stored = await (await locker(options)).list("GET /keys");
  const before = await findRc(process.cwd());
  const chosen =
    keys ??
    (await askSeveral(
      "Which keys does this project need?",
      stored.map(({ name, provider }) => ({ value: name, label: name, hint: provider })),
      before?.keys ?? [],
    ));
  const missing = chosen.filter((name) => !stored.some((key) => key.name === name));
  if (missing.length > 0)
    note(`There is no key ${missing.join(", ")} yet; store it with: apilocker store ${missing[0]}`);
  try {
    const file = await open(RC_NAME, force ? "w" : "wx");
    await file.writeFile(rcText(chosen));
    await file.close();
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === "EEXIST")
      throw new Failure(`${RC_NAME} is there already.`, { code: "conflict", hint: "Write over it with --force." });
    throw fault;
  }
  if (options.json === true) sayJson({ path: RC_NAME, keys: chosen });
  else
    note(
      `${RC_NAME} names ${chosen.length === 1 ? "one key" : `${chosen.length} keys`}. Next: apilocker run --proxy -- COMMAND`,
    );
}
