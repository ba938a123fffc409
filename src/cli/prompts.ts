import { Failure, usage } from "./failure.ts";
import { note } from "./terminal.ts";

/** Loaded where somebody is asked: most commands ask nothing. */
const clack = () => import("./questions.ts");

/** Questions and waiting are shown on stderr: stdout is for data. */
const SHOWN = { output: process.stderr };

/** Ctrl-C at a question ends the command as it would anywhere else. */
const INTERRUPTED = 130;

export function mayAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Clack's word for Ctrl-C is a symbol. */
function answered<T>(given: T): Exclude<T, symbol> {
  if (typeof given === "symbol") throw new Failure("Canceled.", { exit_code: INTERRUPTED, code: "canceled" });
  return given as Exclude<T, symbol>;
}

export async function askText(
  message: string,
  { say, ...more }: { initialValue?: string; placeholder?: string; say?: string } = {},
): Promise<string> {
  // `say`: how it is said where nobody can be asked.
  if (!mayAsk()) throw usage(`${message} It was not said, and there is no terminal to ask on.`, say && `Say: ${say}`);
  return answered(await (await clack()).text({ message, ...SHOWN, ...more }));
}

export async function askChoice(
  message: string,
  options: { value: string; label: string; hint?: string }[],
): Promise<string> {
  if (!mayAsk()) throw usage(`${message} It was not said, and there is no terminal to ask on.`);
  return answered(await (await clack()).select<string>({ message, options, ...SHOWN }));
}

export async function askSeveral(
  message: string,
  options: { value: string; label: string; hint?: string }[],
  initialValues: string[],
): Promise<string[]> {
  if (!mayAsk()) throw usage(`${message} It was not said, and there is no terminal to ask on.`);
  return answered(
    await (await clack()).multiselect<string>({ message, options, initialValues, required: false, ...SHOWN }),
  );
}

/** Asks before something that cannot be undone. Where nobody can be asked, it must have been said already. */
export async function confirm(message: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!mayAsk()) throw usage(`${message} Say --yes to confirm: there is no terminal to ask on.`);
  if (!answered(await (await clack()).confirm({ message, initialValue: false, ...SHOWN })))
    throw new Failure("Nothing was changed.", { code: "declined" });
}

/** A secret, typed without being shown, or piped in. Never an argument: those are in histories and process lists. */
export async function readSecret(message: string, { optional = false } = {}): Promise<string> {
  const secret = mayAsk() ? answered(await (await clack()).password({ message, ...SHOWN })) : await readPipe(message);
  const text = (secret ?? "").replace(/\r?\n$/, "");
  if (text === "" && !optional) throw usage("The secret is empty.", "Type it when asked, or pipe it in.");
  return text;
}

async function readPipe(message: string): Promise<string> {
  if (process.stdin.isTTY) throw usage(`${message} There is no terminal to ask on; pipe it in.`);
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** Says what is waited for while it lasts; in a pipe one line does. */
export async function waiting<T>(message: string, work: Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) {
    note(message);
    return work;
  }
  const spinner = (await clack()).spinner({ ...SHOWN });
  process.once("exit", interrupted);
  spinner.start(message);
  try {
    const done = await work;
    spinner.stop(message);
    return done;
  } catch (fault) {
    spinner.error(message);
    throw fault;
  } finally {
    process.off("exit", interrupted);
  }
}

/** At Ctrl-C clack ends the process by itself, as if all were well. */
function interrupted(): void {
  process.exitCode = INTERRUPTED;
}
