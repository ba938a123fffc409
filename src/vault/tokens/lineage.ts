import { Problem } from "../../problem.ts";
import type { Holder } from "../policy/judgement.ts";
import type { Policy } from "../policy/policy.ts";
import { readPolicy, type Rules } from "../policy/rules.ts";
import { grantsScope, type Scope } from "../policy/scopes.ts";
import { askOf, policyUnder, policyWithin, type Grants } from "./grants.ts";
import type { Token } from "./token.ts";

/** So many tokens may stand between a token and the one that a person made. */
export const DEPTH_LIMIT = 5;

type Standing = Holder & { token: Token };

/** Whose leave a call needs beside that of the token it shows. */
export class Lineage {
  readonly #grants: Grants;
  readonly #tokenOf: (id: string) => Token;
  /** A policy is read once, as long as its token is remembered. */
  readonly #rules = new WeakMap<Policy, Rules>();

  constructor(grants: Grants, tokenOf: (id: string) => Token) {
    this.#grants = grants;
    this.#tokenOf = tokenOf;
  }

  /**
   * A token as it stands now, then the app tokens that it was derived from, each with its policy read, and last the grant or the
   * device that all stem from, where its person wants to be asked, and the device's rate. They are walked at every judgement, so a child is never wider
   * than its parents are at that moment.
   */
  of(token: Token): Standing[] {
    const holders = [this.#holder(token)];
    let eldest = token;
    while (isUnder(eldest, "tok") && holders.length <= DEPTH_LIMIT) {
      eldest = this.#tokenOf(eldest.parent_id);
      holders.push(this.#holder(eldest));
    }
    const origin = this.#origin(eldest);
    // It only asks and counts: whether and how long a token may be used is said by that token.
    if (origin !== undefined) holders.push(this.#holder({ ...eldest, ...origin, expires_at: null }));
    return holders;
  }

  /**
   * What stems from a grant is what the grant lets it be now: narrowing, pausing or ending it does the same to its access tokens, and
   * to the app tokens that were minted under it.
   */
  standing(token: Token): Token {
    const grant = isUnder(token, "grt") ? this.#grants.find(token.parent_id) : undefined;
    if (grant === undefined) return token;
    return {
      ...token,
      policy: (token.kind === "oat" ? policyUnder : policyWithin)(grant, token.policy),
      expires_at: earlier(token.expires_at, grant.expires_at),
      paused_at: token.paused_at ?? grant.paused_at,
      revoked_at: token.revoked_at ?? grant.revoked_at,
    };
  }

  /**
   * Who asked a person for the eldest token, where that person wants to be asked before its calls; or the device that minted it, which calls no
   * more often by many tokens than by its own.
   */
  #origin(eldest: Token): Pick<Token, "id" | "kind" | "policy"> | undefined {
    if (isUnder(eldest, "grt")) {
      const grant = this.#grants.find(eldest.parent_id);
      return grant?.ask ? { id: grant.id, kind: "oat", policy: askOf(grant.keys, grant.ask) } : undefined;
    }
    if (!isUnder(eldest, "dev")) return undefined;
    const { id, kind, policy } = this.#tokenOf(eldest.parent_id);
    const { ask, rate } = policy;
    return (ask ?? rate) && { id, kind, policy: { ask, rate, allow_credential_endpoints: true } };
  }

  #holder(token: Token): Standing {
    let rules = this.#rules.get(token.policy);
    if (rules === undefined) this.#rules.set(token.policy, (rules = readPolicy(token.policy)));
    return { token, rules };
  }
}

/** Refuses what a grant is not for, or no more, to all that was minted under it (SECURITY S3). */
export function assertFor(lineage: readonly { token: Token }[], scope: Scope): void {
  const isFor = ({ token: { policy } }: { token: Token }) =>
    policy.scopes === undefined || grantsScope(policy.scopes, scope);
  if (lineage.every(isFor)) return;
  const detail = `The client that asked for this token lacks the scope ${scope}, which this needs.`;
  throw new Problem("insufficient_scope", detail, { rule: "scopes" });
}

/** Does it stem from a token, a grant or a device? */
export function isUnder(token: Token, kind: "tok" | "grt" | "dev"): token is Token & { parent_id: string } {
  return token.parent_id?.startsWith(`${kind}_`) === true;
}

/** The earlier of two moments, where null is never. */
export function earlier(one: number | null, other: number | null): number | null {
  const first = Math.min(one ?? Infinity, other ?? Infinity);
  return Number.isFinite(first) ? first : null;
}
