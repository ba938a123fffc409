import { logFault, Problem } from "../../problem.ts";
import type { VaultRow } from "./vault_row.ts";

const LOOK_EVERY_MS = 60 * 60_000;
const LOOK_AGAIN_MS = 10_000;
const PATIENCE_MS = 2_000;

/**
 * Notices a restore before anything is served after it (SECURITY S18). That a vault was in step with D1 is noted once an hour; a
 * restore takes the note back with all else, so one to longer ago than an hour is looked for at the first use. Where D1
 * is away calls go on, as they do otherwise (DESIGN D2), unless it has told that this vault is behind: then nothing is served until what was
 * taken away is taken away again, however many rows that takes.
 */
export class RestoreWatch {
  readonly #sql: SqlStorage;
  readonly #look: () => Promise<unknown>;
  #checked_at: number;
  #behind = false;
  #looking: Promise<void> | undefined;

  constructor(sql: SqlStorage, look: () => Promise<unknown>, { checked_at }: VaultRow) {
    this.#sql = sql;
    this.#look = look;
    this.#checked_at = checked_at;
  }

  /** To be awaited before something is used; undefined, nearly always, where there is nothing to wait for. */
  look(now: number): Promise<void> | undefined {
    if (now - this.#checked_at < LOOK_EVERY_MS) return this.#behind ? Promise.reject(catchingUp()) : undefined;
    this.#looking ??= this.#lookOnce(now).finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** What D1 is found to tell while it is read. */
  isBehind(behind: boolean): void {
    this.#behind = behind;
  }

  async #lookOnce(now: number): Promise<void> {
    const over = new AbortController();
    const looked = this.#look();
    const patience = scheduler.wait(PATIENCE_MS, { signal: over.signal }).then(
      () => (this.#behind ? looked : Promise.reject(new Error("D1 did not answer in time"))),
      () => {},
    );
    try {
      await Promise.race([looked, patience]);
      this.#sql.exec("UPDATE vault SET checked_at = ?", now);
      this.#checked_at = now;
    } catch (fault) {
      logFault("restore_not_looked_for", fault);
      this.#checked_at = now - LOOK_EVERY_MS + LOOK_AGAIN_MS;
      if (this.#behind) throw catchingUp();
    } finally {
      over.abort();
    }
  }
}

function catchingUp(): Problem {
  const detail = "This vault was put back to an earlier time and is catching up with what was stopped since.";
  return new Problem("unavailable", detail, { retry_after_s: LOOK_AGAIN_MS / 1_000 });
}
