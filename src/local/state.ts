import { generateKeyPair, randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";

const Secrets = z.object({
  ROOT_KEYS: z.string(),
  TOKEN_KEYS: z.string(),
  OIDC_CLIENT_SECRET: z.string(),
  identity_provider: z.object({ cookie_key: z.string(), signing_key: z.record(z.string(), z.string()) }),
});
const Running = z.object({ pid: z.number(), origin: z.string() });

/** The secrets of one local run, made once and never printed. */
export type Secrets = z.infer<typeof Secrets>;

/** The folder of a local run (0700) and the small files in it (0600). Nobody shares it: two runtimes on one database would corrupt it. */
export class State {
  readonly folder: string;
  readonly thrown_away: boolean;

  private constructor(folder: string, thrown_away: boolean) {
    this.folder = folder;
    this.thrown_away = thrown_away;
  }

  /** Opens or makes the folder. An empty name means one that is thrown away in the end. */
  static async open(folder: string): Promise<State> {
    if (folder === "") return new State(await mkdtemp(join(tmpdir(), "apilocker-")), true);
    const state = new State(resolve(folder), false);
    await mkdir(state.folder, { recursive: true });
    await chmod(state.folder, 0o700);
    const running = await state.read("running.json", Running);
    if (running !== undefined && (await isRunning(running))) {
      throw new Error(
        `API Locker already runs on ${running.origin} with the data in ${folder}: stop it first, or set STATE_DIR.`,
      );
    }
    return state;
  }

  async read<T>(file: string, shape: z.ZodType<T>): Promise<T | undefined> {
    let text: string;
    try {
      text = await readFile(join(this.folder, file), "utf8");
    } catch {
      return undefined;
    }
    try {
      return shape.parse(JSON.parse(text));
    } catch (cause) {
      throw new Error(
        `${join(this.folder, file)} is not what was written there: repair it, or delete the folder to start afresh.`,
        { cause },
      );
    }
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

  async begin(origin: string): Promise<void> {
    await this.write("running.json", { pid: process.pid, origin });
  }

  async end(): Promise<void> {
    await rm(this.thrown_away ? this.folder : join(this.folder, "running.json"), { recursive: true, force: true });
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
async function isRunning({ pid, origin }: z.infer<typeof Running>): Promise<boolean> {
  try {
    process.kill(pid, 0);
    await fetch(origin, { signal: AbortSignal.timeout(1_000), redirect: "manual" });
    return pid !== process.pid;
  } catch {
    return false;
  }
}
