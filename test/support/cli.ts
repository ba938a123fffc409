import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { OPERATIONS, type Operation } from "../../src/api/schema.ts";
import { pathIn } from "../../src/cli/docs.ts";
import { printedBy } from "../../src/cli/json.ts";
import { programOf } from "../../src/cli/program.ts";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { choose, formsIn, signInDevice, submit, typeCode, type Choices, type SignedIn } from "./device.ts";

/** How a run of the command line ended. */
export type Ran = { code: number; stdout: string; stderr: string };

type Wishes = { input?: string | undefined; env?: Record<string, string>; cwd?: string };

/** Fails where JSON is not what docs/cli.md says that this command prints. */
function assertAsDocumented(args: readonly string[], said: unknown): void {
  const path = pathIn(programOf(), args);
  const printed = printedBy(path) ?? printedBy(`${path} list`);
  if (printed === undefined) throw new Error(`${path} says nothing of its JSON`);
  if (typeof printed === "string") {
    const operations = Object.values(OPERATIONS as Record<string, Operation>);
    const operation = operations.find(({ method, path }) => `${method.toUpperCase()} ${path}` === printed);
    const { error } = operation?.answer.safeParse(said) ?? { error: new Error(`there is no ${printed}`) };
    if (error !== undefined) throw new Error(`${path} does not answer as ${printed}: ${error.message}`);
  } else if (printed.when === undefined) {
    assertFields(path, printed.fields, said);
    for (const item of printed.items === undefined ? [] : (said as { items: unknown[] }).items)
      assertFields(path, printed.items ?? [], item);
  }
}

function assertFields(path: string, fields: readonly string[], said: unknown): void {
  const there = Object.keys(said as object);
  const known = new Set(fields.map((field) => field.replace("?", "")));
  const missing = fields.filter((field) => !field.endsWith("?") && !there.includes(field));
  const unknown = there.filter((field) => !known.has(field));
  if (missing.length + unknown.length > 0)
    throw new Error(`${path} lacks ${missing.join()} and has, undocumented, ${unknown.join()}`);
}

let bundled: Promise<string> | undefined;

/** The bundle that the package holds, made once for a test file. */
export function bundle(): Promise<string> {
  bundled ??= (async () => {
    const { bundleCli } = await import("../../src/local/cli_package.ts");
    return bundleCli(join(mkdtempSync(join(tmpdir(), "apilocker-cli-")), "apilocker.mjs"));
  })();
  return bundled;
}

/** A terminal with somebody at it, who gives up after a while: questions with their answers, then the command. */
const TERMINAL = `
import fcntl, json, os, pty, select, struct, sys, termios, time
answers = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
seen, end = b"", time.time() + 50
while time.time() < end:
    ready, _, _ = select.select([fd], [], [], 0.2)
    if not ready:
        continue
    try:
        chunk = os.read(fd, 65536)
    except OSError:
        break
    if not chunk:
        break
    seen += chunk
    if answers and answers[0][0].encode() in seen:
        time.sleep(0.3)
        os.write(fd, answers.pop(0)[1].encode())
else:
    os.kill(pid, 9)
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(status))`;

/** The oldest Node that the command line promises to run on, where the machine has one of its own; else the tests' own. */
const NODE = ["/usr/local/bin/node", "/usr/bin/node"].find(existsSync) ?? process.execPath;

/** Somebody's computer: an empty home, and a folder to work in. */
export class Computer {
  readonly home = mkdtempSync(join(tmpdir(), "apilocker-home-"));
  readonly cwd = mkdtempSync(join(tmpdir(), "apilocker-work-"));
  readonly config = join(this.home, ".apilocker", "config.json");

  async start(args: readonly string[], { input, env = {}, cwd = this.cwd }: Wishes = {}): Promise<ChildProcess> {
    const child = spawn(NODE, [await bundle(), ...args], {
      cwd,
      env: { PATH: process.env.PATH ?? "", HOME: this.home, APILOCKER_NO_BROWSER: "1", ...env } as Record<
        string,
        string
      > as NodeJS.ProcessEnv,
      stdio: ["pipe", "pipe", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    if (input !== undefined) child.stdin?.end(input);
    return child;
  }

  /** Runs it to its end. Nothing is typed: stdin is empty unless there is `input`. */
  async run(args: readonly string[], wishes: Wishes = {}): Promise<Ran> {
    return ended(await this.start(args, { input: "", ...wishes }));
  }

  /** Runs it in this very process, one at a time: for what a process of its own would add nothing to. It cannot be typed to. */
  async here(args: readonly string[], { env = {}, cwd = this.cwd }: Omit<Wishes, "input"> = {}): Promise<Ran> {
    const { cli } = await import("../../src/cli/cli.ts");
    const said = { stdout: "", stderr: "" };
    const hear = (name: "stdout" | "stderr") =>
      vi.spyOn(process[name], "write").mockImplementation((text) => {
        said[name] += typeof text === "string" ? text : Buffer.from(text).toString();
        return true;
      });
    const before = { env: { ...process.env }, cwd: process.cwd() };
    const spies = [hear("stdout"), hear("stderr")];
    become({ PATH: before.env.PATH, HOME: this.home, APILOCKER_NO_BROWSER: "1", ...env });
    process.chdir(cwd);
    try {
      await cli(args);
      return { code: Number(process.exitCode ?? 0), ...said };
    } finally {
      process.exitCode = undefined;
      process.chdir(before.cwd);
      become(before.env);
      for (const spy of spies) spy.mockRestore();
    }
  }

  /** Runs it to an end that must be a good one, and reads what it said as JSON; in a process of its own where something is piped in. */
  async json<T = Record<string, unknown>>(args: readonly string[], wishes: Wishes = {}): Promise<T> {
    const all = [...args, "--json"];
    const { code, stdout, stderr } = await (wishes.input === undefined
      ? this.here(all, wishes)
      : this.run(all, wishes));
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
    const said = JSON.parse(stdout) as T;
    assertAsDocumented(args, said);
    return said;
  }

  /** Runs it on a terminal, and types an answer once it has asked. */
  typing(args: readonly string[], question: string, answer: string, more: Record<string, string> = {}): Promise<Ran> {
    return this.answering(args, [[question, answer]], more);
  }

  /** The same, for several questions that come one after the other. */
  async answering(
    args: readonly string[],
    answers: [question: string, answer: string][],
    more: Record<string, string> = {},
  ): Promise<Ran> {
    const env = { PATH: process.env.PATH ?? "", HOME: this.home, TERM: "xterm", ...more } as Record<
      string,
      string
    > as NodeJS.ProcessEnv;
    const command = [NODE, await bundle(), ...args];
    const child = spawn("python3", ["-c", TERMINAL, JSON.stringify(answers), ...command], { cwd: this.cwd, env });
    onTestFinished(() => void child.kill("SIGKILL"));
    return ended(child);
  }

  /** Signed in already, as `login` would have left it. */
  async signIn(locker: LocalLocker, person: Person, choices: Choices = {}, profile = "default"): Promise<SignedIn> {
    const device = await signInDevice(locker, person, choices);
    mkdirSync(join(this.home, ".apilocker"), { mode: 0o700, recursive: true });
    const before = existsSync(this.config)
      ? (JSON.parse(readFileSync(this.config, "utf8")) as { profiles: object })
      : undefined;
    const { token, id: device_id } = device;
    const fresh = { url: locker.publicOrigin, token, device_id, account: "ada" };
    const config = { current: profile, profiles: { ...before?.profiles, [profile]: fresh } };
    writeFileSync(this.config, JSON.stringify(config), { mode: 0o600 });
    return device;
  }

  /** `login --headless`, with a person who types the code and says yes. */
  async login(locker: LocalLocker, person: Person, choices: Choices = {}, more: readonly string[] = []): Promise<Ran> {
    const child = await this.start(["login", "--headless", "--url", locker.publicOrigin, ...more], { input: "" });
    const done = ended(child);
    const [, code = ""] = await said(child, /type ([A-Z]{4}-[A-Z]{4})/);
    const [approve] = formsIn(await (await typeCode(person, code)).text());
    if (approve === undefined) throw new Error("the code was not taken");
    await submit(person, choose(approve, choices));
    return done;
  }
}

/** Takes on an environment, whole: `homedir` and children see it too. */
function become(env: Record<string, string | undefined>): void {
  for (const name of Object.keys(process.env)) if (env[name] === undefined) delete process.env[name];
  for (const [name, value] of Object.entries(env)) if (value !== undefined) process.env[name] = value;
}

/** Waits for a line of stderr, or stdout, from now on. */
export function said(
  child: ChildProcess,
  wanted: RegExp,
  from: "stderr" | "stdout" = "stderr",
): Promise<RegExpExecArray> {
  let text = "";
  return new Promise((resolve, reject) => {
    child[from]?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const found = wanted.exec(text);
      if (found !== null) resolve(found);
    });
    // Its exit may be known before its last words are.
    child.once("close", () => reject(new Error(`it ended without saying ${wanted}: ${text}`)));
  });
}

export async function ended(child: ChildProcess): Promise<Ran> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code: code ?? (signal === null ? -1 : -2), stdout, stderr };
}
