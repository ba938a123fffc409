import type { Dispatch, Settlement } from "../vault/calls/dispatch.ts";
import { Problem, type ProblemCode } from "../problem.ts";
import { Leash } from "./leash.ts";
import { settleSoon } from "./settlements.ts";

/** How a call ended, and what it took. */
type Ended = Omit<Settlement, "seq">;

const LEASH_AFTER_MS = 250;
const FIRST_BYTE_MS = 300_000;

/**
 * What a cut means to a client that was still waiting for an answer. 401 only where the token itself is dead: clients throw
 * their tokens away on it. Whatever other rule the vault names is one of the token's policy.
 */
const CUT_CODES: Record<string, ProblemCode> = {
  lease: "unavailable",
  leash_lost: "unavailable",
  key_paused: "paused",
  token_paused: "paused",
  frozen: "frozen",
  key_deleted: "not_found",
  keys: "not_found",
  scopes: "insufficient_scope",
  reconnect_required: "reconnect_required",
  not_before: "policy_denied",
  ip_allow: "policy_denied",
  countries: "policy_denied",
  methods: "policy_denied",
  paths: "policy_denied",
  allow_credential_endpoints: "policy_denied",
  target: "target_refused",
  leash_limit: "rate_limited",
  first_byte: "upstream_timeout",
  revoked: "invalid_token",
  superseded: "invalid_token",
  expired: "invalid_token",
};

/**
 * One call under way, from the vault's yes to its outcome: the signal that stops it, its leash, and the single place where
 * its audit row is ended.
 */
export class ProxyCall {
  readonly dispatch: Dispatch;
  readonly started_at: number;
  readonly #env: Env;
  readonly vault_id: string;
  readonly #cut = new AbortController();
  /** Nearly every call is over before it needs one. */
  #leash: Leash | undefined;
  /** First for the leash of one that stays, then for one without an answer. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #followed: Request | undefined;
  #status: number | undefined;
  #rule: string | undefined;
  #ended = false;
  #drop: (() => void) | undefined;

  constructor(env: Env, vault_id: string, dispatch: Dispatch, started_at: number) {
    this.#env = env;
    this.vault_id = vault_id;
    this.dispatch = dispatch;
    this.started_at = started_at;
    this.#timer = setTimeout(() => void this.leashNow(), LEASH_AFTER_MS);
  }

  /** Fires when the vault, or an expiry, stops the call; and when its client leaves, where that is followed. */
  get stopped(): AbortSignal {
    return this.#cut.signal;
  }

  /** Once it is leashed, the client's leaving ends the call too: one that is shorter ends by itself, and nobody need listen. */
  follow(request: Request): void {
    this.#followed = request;
  }

  /** One listener costs less than a signal made of two. */
  #listen(client: AbortSignal): void {
    const leave = () => this.#cut.abort(new Error("the client has gone"));
    client.addEventListener("abort", leave);
    if (client.aborted) leave();
  }

  /** A cut that the vault has recorded may from now on end the call by this, which ends all that belongs to it at once. */
  dropBy(drop: () => void): void {
    this.#drop = drop;
  }

  /** Stops the call from our side, as for a limit. */
  stop(rule: string): void {
    this.#rule ??= rule;
    this.#abort();
  }

  /** With a word, not an Error: nobody reads the reason, and the runtime would carry its stack through every stream that ends. */
  #abort(): void {
    this.#cut.abort("cut");
  }

  /** Does not wait for the 250 ms: for upgrades and event streams, which are known to stay. */
  leashNow(): Promise<void> {
    clearTimeout(this.#timer);
    this.#leash ??= this.#newLeash();
    if (this.#status === undefined) this.#timer = setTimeout(() => this.stop("first_byte"), FIRST_BYTE_MS);
    return this.#leash.open();
  }

  #newLeash(): Leash {
    if (this.#followed !== undefined) this.#listen(this.#followed.signal);
    const leash = new Leash(
      () => this.#env.USER_VAULT.getByName(this.vault_id),
      this.dispatch,
      (rule, recorded) => {
        this.#rule = rule;
        if (recorded && this.#drop !== undefined) this.#drop();
        else this.#abort();
      },
    );
    if (this.#status !== undefined) leash.answered(this.#status);
    return leash;
  }

  answered(status: number): void {
    this.#status = status;
    if (this.#leash === undefined) return;
    clearTimeout(this.#timer);
    this.#leash.answered(status);
  }

  /** The refusal for a client that has no answer yet when the call is cut. */
  cutProblem(): Problem {
    const rule = this.#rule ?? "leash_lost";
    const { request_id } = this.dispatch;
    return new Problem(CUT_CODES[rule] ?? "policy_denied", "The call was stopped: what allowed it no longer stands.", {
      rule,
      request_id,
    });
  }

  /** As {@link end}, and the vault has been told by the time it is asked for another call. */
  async endBeforeNext(outcome: Ended): Promise<void> {
    if (this.#ended) return;
    const settlement = this.#settlement(outcome);
    // What goes over the leash may come after what is asked next: it rides along too, and counts once.
    this.#leash?.end(settlement);
    await settleSoon(this.#env, this.vault_id, settlement);
  }

  /** Ends the call's row, once; later reasons are echoes of the first. Resolves when the vault was told. */
  async end(outcome: Ended): Promise<void> {
    if (this.#ended) return;
    const settlement = this.#settlement(outcome);
    if (this.#leash?.end(settlement) !== true) await settleSoon(this.#env, this.vault_id, settlement);
  }

  #settlement(outcome: Ended): Settlement {
    this.#ended = true;
    clearTimeout(this.#timer);
    const latency_ms = Date.now() - this.started_at;
    const settlement = { seq: this.dispatch.seq, status: this.#status, latency_ms, ...outcome };
    if (this.#rule === undefined) return settlement;
    return { ...settlement, outcome: this.#rule === "first_byte" ? "failed" : "cut", rule: this.#rule };
  }
}
