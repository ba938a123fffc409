import { Problem } from "../problem.ts";

/** What this isolate remembers of a token that was refused, by its MAC: when, how often, and whether for ever. */
type Memory = { since: number; refusals: number; dead: Problem | undefined };

const DEAD_MS = 60_000;
/** More than any one vault answers in a second; whoever was resumed meanwhile waits no longer than `Retry-After` says. */
const WINDOW_MS = 1_000;
const REFUSALS_A_WINDOW = 500;
const REMEMBERED = 10_000;

/**
 * Keeps refused tokens from wearing down a vault (SECURITY S14): a token that is dead for ever is answered from memory for a
 * minute, and one that is refused again and again must wait. Only refusals are remembered, never a yes (DESIGN D6).
 */
export class RefusedTokens {
  readonly #by_mac = new Map<string, Memory>();

  /** Refuses what need not be asked. */
  check(mac: string, now: number): void {
    const memory = this.#by_mac.get(mac);
    if (memory === undefined) return;
    if (memory.dead !== undefined && now - memory.since < DEAD_MS) throw memory.dead;
    if (memory.dead === undefined && now - memory.since < WINDOW_MS) {
      if (memory.refusals < REFUSALS_A_WINDOW) return;
      throw new Problem("rate_limited", "This token is being refused again and again.", { retry_after_s: 1 });
    }
    this.#by_mac.delete(mac);
  }

  /** The vault has refused a call with this token. */
  note(mac: string, refusal: Problem, now: number): void {
    if (this.#by_mac.size >= REMEMBERED) this.#by_mac.clear();
    const known = this.#by_mac.get(mac);
    const memory =
      known !== undefined && now - known.since < WINDOW_MS ? known : { since: now, refusals: 0, dead: undefined };
    memory.refusals++;
    if (refusal.extras.rule === "revoked" || refusal.extras.rule === "superseded") {
      const { code, message, extras } = refusal;
      memory.dead = new Problem(code, message, { rule: extras.rule });
      memory.since = now;
    }
    this.#by_mac.set(mac, memory);
  }
}
