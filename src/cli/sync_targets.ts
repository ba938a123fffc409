import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { invocationOf } from "./child.ts";
import { writeTextPrivately } from "./profiles.ts";
import { envLine, parseEnv } from "./env_file.ts";
import { Failure } from "./failure.ts";
import { plain } from "./terminal.ts";

/** A secret by the name that it has at a target. */
export type Entry = { name: string; value: string };

/** What a target holds: names always, values only where it shows them. */
export type Held = ReadonlyMap<string, string | undefined>;

/** A place that keeps secrets for programs. */
export type Target = {
  held(): Promise<Held>;
  put(entries: readonly Entry[]): Promise<void>;
};

export const TARGETS = ["wrangler", "vercel", "github", "dotenv"] as const;
export type TargetName = (typeof TARGETS)[number];

export type TargetOptions = { env?: string; worker?: string; repo?: string; file?: string };

/** Programs get their arguments as a list, and values only through a pipe: no shell reads any of it, no process list shows it. */
export function targetOf(name: TargetName, options: TargetOptions): Target {
  switch (name) {
    case "wrangler":
      return wrangler(options);
    case "vercel":
      return vercel(options);
    case "github":
      return github(options);
    case "dotenv":
      return dotenv(options.file ?? ".env");
  }
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A name that every target takes, and that none could take for an option. */
export function assertName(name: string): void {
  if (!NAME.test(name)) throw new Failure(`${JSON.stringify(plain(name))} is no name for a variable.`);
}

function wrangler({ env, worker }: TargetOptions): Target {
  const which = [...(worker === undefined ? [] : [`--name=${worker}`]), ...(env === undefined ? [] : [`--env=${env}`])];
  return {
    async held() {
      const out = await run("wrangler", ["secret", "list", "--format=json", ...which]);
      const listed = jsonIn(out) as { name: string }[];
      return new Map(listed.map(({ name }) => [name, undefined]));
    },
    async put(entries) {
      // All in one request: a deployment never sees half of them.
      await run(
        "wrangler",
        ["secret", "bulk", ...which],
        JSON.stringify(Object.fromEntries(entries.map(({ name, value }) => [name, value]))),
      );
    },
  };
}

function vercel({ env = "production" }: TargetOptions): Target {
  return {
    async held() {
      const out = await run("vercel", ["env", "ls", env]);
      const names = out.split("\n").map((line) => /^\s*([A-Za-z_][A-Za-z0-9_]*)\s+Encrypted\b/.exec(line)?.[1]);
      return new Map(names.filter((name) => name !== undefined).map((name) => [name, undefined]));
    },
    async put(entries) {
      for (const { name, value } of entries) await run("vercel", ["env", "add", name, env, "--force"], value);
    },
  };
}

function github({ env, repo }: TargetOptions): Target {
  const which = [...(repo === undefined ? [] : [`--repo=${repo}`]), ...(env === undefined ? [] : [`--env=${env}`])];
  return {
    async held() {
      const listed = jsonIn(await run("gh", ["secret", "list", "--json=name", ...which])) as { name: string }[];
      return new Map(listed.map(({ name }) => [name, undefined]));
    },
    async put(entries) {
      for (const { name, value } of entries) await run("gh", ["secret", "set", name, ...which], value);
    },
  };
}

/** A file: lines of ours are replaced where they are, all else stays as it is, and only its owner may read it. */
function dotenv(file: string): Target {
  const read = () =>
    readFile(file, "utf8").catch((fault: NodeJS.ErrnoException) => {
      if (fault.code === "ENOENT") return "";
      throw new Failure(`${file} cannot be read: ${fault.code ?? fault.message}.`);
    });
  return {
    async held() {
      return new Map(parseEnv(await read()).map(({ name, value }) => [name, value]));
    },
    async put(entries) {
      await writeTextPrivately(file, withEntries(await read(), entries));
    },
  };
}

/** The text of a `.env` file with these entries, each where it was or at the end. */
export function withEntries(text: string, entries: readonly Entry[]): string {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const held = parseEnv(text);
  const starts = new Map(held.map(({ name, line }) => [name, line - 1]));
  const added: string[] = [];
  for (const { name, value } of entries) {
    const at = starts.get(name);
    if (at === undefined) added.push(envLine(name, value));
    else {
      // A value may have taken several lines; what is left of it goes.
      const spans = spanOf(lines, at);
      lines.splice(at, spans, envLine(name, value), ...Array.from({ length: spans - 1 }, () => GONE));
    }
  }
  const kept = lines.filter((line) => line !== GONE);
  while (kept.at(-1) === "") kept.pop();
  return `${[...kept, ...added].join("\n")}\n`;
}

const GONE = "\u0000";

/** How many lines the entry that begins there takes. */
function spanOf(lines: readonly string[], at: number): number {
  for (let span = 1; at + span <= lines.length; span++) {
    const [entry, another] = parseEnv(lines.slice(at, at + span).join("\n"));
    const [longer] = parseEnv(lines.slice(at, at + span + 1).join("\n"));
    if (another === undefined && entry?.value === longer?.value) return span;
  }
  return 1;
}

/** A tool of the project, if it has one, else of the machine. Its words go to the person, its answer to us. */
async function run(tool: string, args: readonly string[], input?: string): Promise<string> {
  const { program, args: given, verbatim } = invocationOf(find(tool), args, process.platform, process.env);
  const child = spawn(program, given, {
    stdio: ["pipe", "pipe", "inherit"],
    shell: false,
    windowsVerbatimArguments: verbatim,
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  const code = await new Promise<number | null>((done, fail) => {
    child.on("close", done);
    child.on("error", () =>
      fail(
        new Failure(`${tool} is not installed.`, {
          code: "not_found",
          // What npm has by the name of gh is somebody else's.
          hint:
            tool === "gh"
              ? "Install GitHub's command line: https://cli.github.com"
              : `Install it, or add it to the project: npm install --save-dev ${tool}`,
        }),
      ),
    );
  });
  if (code !== 0)
    throw new Failure(`${tool} ${args.slice(0, 2).join(" ")} ended with ${code ?? "a signal"}.`, {
      code: "target_failed",
    });
  return Buffer.concat(chunks).toString("utf8");
}

function find(tool: string): string {
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", ".bin", process.platform === "win32" ? `${tool}.cmd` : tool);
    if (existsSync(candidate)) return resolve(candidate);
    if (folder === dirname(folder)) return tool;
  }
}

/** Tools greet before they answer: the JSON is what begins with a bracket. */
function jsonIn(out: string): unknown {
  const at = out.search(/^\s*\[/m);
  try {
    return JSON.parse(out.slice(Math.max(at, 0)));
  } catch {
    throw new Failure("The tool's list of secrets was not understood.", { code: "target_failed" });
  }
}
