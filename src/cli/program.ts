import { Argument, Command } from "commander";
import { answer, command, type Common } from "./command.ts";
import { accountCommands } from "./commands/account.ts";
import { approvalCommands } from "./commands/approvals.ts";
import { clientCommands } from "./commands/clients.ts";
import { keyCommands } from "./commands/keys.ts";
import { mcpCommands } from "./commands/mcp.ts";
import { syncCommands } from "./commands/sync.ts";
import { tokenCommands } from "./commands/tokens.ts";
import { useCommands } from "./commands/use.ts";
import { vaultCommands } from "./commands/vault.ts";
import { watchCommands } from "./commands/watch.ts";
import { COMPLETED, completionFor, type Completed } from "./completion.ts";
import { reap } from "./reaper.ts";
import { note, say } from "./terminal.ts";
import { VERSION } from "./version.ts";

/** The whole command line: every command, and what it takes. Help, completion and docs/cli.md come from here. `json`: a program reads what went wrong. */
export function programOf({ json = false } = {}): Command {
  const program = new Command("apilocker")
    .description("Your apps and agents use your API keys. They never see them.")
    .version(VERSION, "-V, --version", "print the version")
    .enablePositionalOptions()
    .showHelpAfterError("(see: apilocker --help)")
    .configureOutput({
      outputError: (text, write) => write(withoutValues(text)),
      ...(json ? { writeErr: () => {} } : {}),
    })
    .exitOverride();
  const chapter = (title: string, ...adds: ((program: Command) => void)[]) => {
    program.commandsGroup(title);
    for (const add of adds) add(program);
  };
  chapter("Signing in:", accountCommands);
  chapter("Keys:", keyCommands);
  chapter("Using keys:", useCommands, syncCommands, mcpCommands);
  chapter("Who is let in:", tokenCommands, clientCommands, approvalCommands);
  chapter("What happens:", watchCommands, vaultCommands);
  program.commandsGroup("This program:").helpCommand("help [command]", "say what a command does and takes");
  program.addHelpText("after", EXAMPLES);
  program
    .command("completion")
    .description("print a script that makes a shell complete commands and options")
    .addArgument(new Argument("<shell>", "which shell").choices([...COMPLETED]))
    .action((shell: Completed) => say(completionFor(shell, program)));
  command(program, "update", "say how to bring this program up to date; nobody is asked").action((options: Common) =>
    answer(
      options,
      async ({ url }) => ({ version: VERSION, command: updateFrom(url) }),
      (update) => {
        note(`This is ${update.version}. Your locker has the one that goes with it:`);
        say(update.command);
      },
    ),
  );
  program.command("__reap", { hidden: true }).action(reap);
  return program;
}

const EXAMPLES = `
Begin:
  $ apilocker login --url https://locker.example
  $ apilocker store openai
  $ apilocker run --proxy --keys openai -- npm start

Every command says more: apilocker run --help`;

/** Each locker serves its own. The name on npm's registry is somebody else's program. */
function updateFrom(locker: string): string {
  return `npm install --global ${locker}/apilocker.tgz`;
}

/**
 * What commander says of arguments that do not belong, without them: somebody may have tried to hand over a secret so, and where
 * that is likely they are told that it is nowhere to be typed.
 */
export function withoutValues(text: string): string {
  if (/too many arguments for '(add|store|rotate)'/.test(text))
    return "error: a secret is no argument: it would stay in the shell's history, and may be there now. Leave it out: it is asked for, or piped in.\n";
  return text.replace(/(but got \d+): .*/s, "$1.\n").replace(/(option '-[^'=]*)=.*'/s, "$1'");
}
