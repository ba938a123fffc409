import { generateKeyPair, randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import { endOrphans, isAlive } from "./orphans.ts";

const Secrets = z.object({
  ROOT_KEYS: z.string(),
  TOKEN_KEYS: z.string(),
  OIDC_CLIENT_SECRET: z.string(),
  identity_provider: z.object({ cookie_key: z.string(), signing_key: z.record(z.string(), z.string()) }),
});
const Running = z.object({ pid: z.number(), origin: z.string() });
const RUNNING = "running.json";

/** The folders that this process works on. */
const inUse = new Set<string>();

/** The secrets of one local run, made once and never printed. */
export type Secrets = z.infer<typeof Secrets>;

/** The folder of a local run (0700) and the small files in it (0600). Nobody shares it: two runtimes on one database would corrupt it. */
export class State {
  readonly folder: string;
  readonly thrown_away: boolean;
  // Synchronous, so that it also works where a signal ends the process at once.
  readonly #leave: () => void;

  private constructor(folder: string, thrown_away: boolean) {
    this.folder = folder;
    this.thrown_away = thrown_away;
    this.#leave = () =>
      rmSync(thrown_away ? folder : join(folder, RUNNING), { recursive: true, force: true, maxRetries: 3 });
    process.once("exit", this.#leave);
  }

  /** Opens or makes the folder. An empty name means one that is thrown away in the end. */
  static async open(folder: string): Promise<State> {
    if (folder === "") return new State(await mkdtemp(join(tmpdir(), "apilocker-")), true);
    const path = resolve(folder);
    await mkdir(path, { recursive: true });
    await chmod(path, 0o700);
    const running = await readJson(join(path, RUNNING), Running);
    if (running !== undefined && (inUse.has(path) || (await stillRuns(running)))) {
      throw new Error(
        `API Locker already runs on ${running.origin} with the data in ${folder}: stop it first, or set STATE_DIR.`,
      );
    }
    if (running !== undefined) await endOrphans(path);
    return new State(path, false);
  }

  read<T>(file: string, shape: z.ZodType<T>): Promise<T | undefined> {
    return readJson(join(this.folder, file), shape);
  }

  async write(file: string, value: unknown): Promise<void> {
    const unfinished = join(this.folder, `${file}.${process.pid}`);
    await writeFile(unfinished, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
    await rename(unfinished, join(this.folder, file));
  }

  async secrets(): Promise<Secrets> {
    const kept = await this.read("secrets.json", Secrets);
    if (kept !== undefined) return kept;
    const made = await makeSecrets();
    await this.write("secrets.json", made);
    return made;
  }

  /** Notes that a runtime now works on the data. It must have ended before the folder goes, so our turn comes after its. */
  async begin(origin: string): Promise<void> {
    process.off("exit", this.#leave).once("exit", this.#leave);
    inUse.add(this.folder);
    await this.write(RUNNING, { pid: process.pid, origin });
  }

  end(): void {
    process.off("exit", this.#leave);
    inUse.delete(this.folder);
    this.#leave();
  }
}

async function readJson<T>(path: string, shape: z.ZodType<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    return shape.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${path} is not what was written there: repair it, or delete its folder to start afresh.`, {
      cause,
    });
  }
}

async function makeSecrets(): Promise<Secrets> {
  const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  const { kty, n, e, d, p, q, dp, dq, qi } = z
    .record(z.string(), z.string())
    .parse(privateKey.export({ format: "jwk" }));
  return {
    ROOT_KEYS: keyRing(),
    TOKEN_KEYS: keyRing(),
    OIDC_CLIENT_SECRET: randomBytes(32).toString("base64url"),
    identity_provider: {
      cookie_key: randomBytes(32).toString("base64url"),
      signing_key: { kty, n, e, d, p, q, dp, dq, qi } as Record<string, string>,
    },
  };
}

function keyRing(): string {
  return `00:${randomBytes(32).toString("base64")}`;
}

/** After a crash and a reboot the number may be another program's: only a run that also answers counts. */
async function stillRuns({ pid, origin }: z.infer<typeof Running>): Promise<boolean> {
  // Our own number, where a container counts from one again.
  if (pid === process.pid || !isAlive(pid)) return false;
  try {
    await fetch(origin, { signal: AbortSignal.timeout(1_000), redirect: "manual" });
    return true;
  } catch {
    return false;
  }
}
