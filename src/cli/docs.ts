import type { Argument, Command, Option } from "commander";
import { printedBy, type Printed } from "./json.ts";

/** docs/cli.md: every command with what it takes, from the commands themselves. */
export function docsOf(program: Command): string {
  const commands = placesIn(program);
  return `# The command line

<!-- Written from src/cli by test/cli/docs.test.ts: \`UPDATE_DOCS=1 npx vitest run --project node test/cli/docs.test.ts\`. -->

${INTRODUCTION}

## Commands

${commands.map(sectionOf).join("\n\n")}
`;
}

type Place = { words: string[]; command: Command };

/** Every command that does something, with the words that lead to it. */
export function placesIn(parent: Command, words: string[] = []): Place[] {
  return parent.commands
    .filter((command) => !command.name().startsWith("_"))
    .flatMap((command) => {
      const here = [...words, command.name()];
      const group = command.commands.length > 0 && command.options.length === 0;
      return [...(group ? [] : [{ words: here, command }]), ...placesIn(command, here)];
    });
}

/** The command that words run, as its path; nothing where they run none. */
export function pathIn(program: Command, words: readonly string[]): string {
  const path: string[] = [];
  for (let [at, command]: [number, Command | undefined] = [0, program]; command !== undefined; at++) {
    if (command !== program) path.push(command.name());
    const word = words[at];
    command = command.commands.find(
      (one) => one.name() === word || (word !== undefined && one.aliases().includes(word)),
    );
  }
  return path.join(" ");
}

function sectionOf({ words, command }: Place): string {
  const usage = ["apilocker", ...words, ...command.registeredArguments.map(shown)].join(" ");
  const aliases = command.aliases().map((alias) => `\`${alias}\``);
  const also = aliases.length === 0 ? "" : ` Also ${aliases.join(", ")}.`;
  const options = command.options.filter(({ hidden, long }) => !hidden && !COMMON.has(long ?? "")).map(optionLine);
  const json = jsonLine(printedBy(words.join(" ")));
  return [
    `### ${words.join(" ")}`,
    `\`${usage}\``,
    `${sentence(command.description())}${also}`,
    options.join("\n"),
    json,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function jsonLine(printed: Printed | undefined): string {
  if (printed === undefined) return "";
  if (typeof printed === "string") return `JSON: as \`${printed.replace(" ", " /v1")}\` answers.`;
  const { fields, items = [], when } = printed;
  if (when !== undefined) return `JSON: ${when}.`;
  const shown = fields.map((field) => (field === "items" ? `items: [{${items.join(", ")}}]` : field));
  return `JSON: \`{${shown.join(", ")}}\`.`;
}

/** What all have is said once, above. */
const COMMON = new Set(["--json", "--profile"]);

function shown(argument: Argument): string {
  const name = argument.name() + (argument.variadic ? "…" : "");
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionLine({ flags, description, argChoices, defaultValue, negate }: Option): string {
  const choices = argChoices === undefined ? "" : ` (${argChoices.map((one) => `\`${one}\``).join(", ")})`;
  const standard =
    defaultValue === undefined || negate || /default|machine/.test(description) || MACHINE.has(flags)
      ? ""
      : `; \`${String(defaultValue)}\` unless said`;
  return `- \`${flags}\`: ${description}${choices}${standard}`;
}

/** Their defaults depend on the machine. */
const MACHINE = new Set(["--name <name>", "--format <shell>"]);

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const INTRODUCTION = `\`\`\`sh
npm install --global https://locker.example/apilocker.tgz   # your locker's own; Node 20 or newer
apilocker login --url https://locker.example
apilocker store openai             # asks for the key; it is never an argument
apilocker run --proxy --keys openai -- npm start
\`\`\`

\`run --proxy\` gives a command no secret: its SDKs find the proxy's address and a token in the variables that they read anyhow
(\`OPENAI_BASE_URL\`, \`OPENAI_API_KEY\`, …), and the token is dead when the command has ended, however it ended. Whatever needs a secret itself
(\`get\`, \`env\`, \`sync\`, \`run\` without \`--proxy\`) needs a key that is marked as revealable and a device that you have unlocked: \`apilocker unlock\`.

**Everywhere** \`--json\` prints JSON on stdout, and each command below says which: what the API answers (\`/docs\` of your locker describes it), whole lists as
\`{"items": […]}\`, or an object of its own, where \`?\` marks what may be absent. Fields are added, never renamed or dropped. With \`--follow\` each line is one item. A refusal is
\`{"error": {"code", "message", "hint"}}\` on stderr. \`--profile NAME\` (or \`APILOCKER_PROFILE\`) chooses between several sign-ins. Questions and notes go to stderr, colours to terminals
only (\`NO_COLOR\` turns them off). Tokens, devices and clients are found by name, by id, or by the beginning or end of an id.

**Exit codes** 0 well, 1 refused or failed, 2 not said right, 3 sign in first, 4 the locker cannot be reached; \`run\` ends as its command does
(128 + n on a signal, 126 and 127 where it cannot be started).

**Where things lie** \`~/.apilocker/config.json\`, for its owner only (\`APILOCKER_HOME\` puts it elsewhere). \`APILOCKER_TOKEN\` with \`APILOCKER_URL\` stands for
a sign-in, on a build server for instance. \`.apilockerrc\`, found upward from where you are, names the keys that a project needs; it holds no secret.
Browsers are opened with \`BROWSER\`, if that is set; \`APILOCKER_NO_BROWSER=1\` only prints addresses.`;
