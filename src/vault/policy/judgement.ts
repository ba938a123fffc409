import type { TokenKind } from "../../crypto/token.ts";
import type { ProblemCode } from "../../problem.ts";
import type { Freeze } from "../account/frozen.ts";
import type { ConnectionState } from "../connections/connection_rows.ts";
import type { Destination } from "../keys/key.ts";
import type { Limits, Reading } from "./limits.ts";
import type { UpstreamPath } from "./path.ts";
import type { Rules } from "./rules.ts";

/** How a token stands. Times are epoch milliseconds. */
export type TokenState = {
  id: string;
  kind: TokenKind;
  signed_in_at: number | null;
  expires_at: number | null;
  paused_at: number | null;
  revoked_at: number | null;
  /** It was an access token of a generation that is over. */
  superseded?: boolean | undefined;
  /** The freeze that lies over its vault. */
  frozen: Freeze | null;
};

/** A token whose leave a call needs, with its policy as it was read. */
export type Holder = { token: TokenState; rules: Rules };

/** What a decision is made on. */
export type Standing = {
  /** The token that is shown, then those that it was derived from, one by one: each must agree. */
  holders: readonly Holder[];
  key:
    | {
        id: string;
        name: string;
        expires_at: number | null;
        paused_at: number | null;
        destination: Destination;
        connection: ConnectionState | null;
      }
    | undefined;
  now: number;
};

/** Where somebody calls from, as the platform tells it. */
export type From = { ip: string; country: string };

/**
 * The call that is asked about; `path` as it came. `overridden` = it carries a header or parameter by which servers take
 * another method; `direct` = it names no key.
 */
export type Call = From & {
  method: string;
  path: string;
  overridden: boolean;
  direct: boolean;
  /** The most that it may cost, in millionths of a dollar; undefined where no budget pays for it. */
  most?: number | undefined;
};

/** Why a call is refused; `rule` is named to the caller and in the audit row. */
export type Denial = { rule: string; code: ProblemCode; detail: string; retry_after_s?: number | undefined };

/** One check of a judgement, whose rule it was, and the refusal where it did not pass. */
export type Check = { rule: string; token_id: string; denial: Denial | undefined };

/** What is to be counted once a call is let through: on which meter, by which limits. */
export type Charge = { meter: string; limits: Limits };

/** The judgement. A yes says what a rule on trial would have refused, and what the call is charged to. */
export type Verdict =
  | ({ verdict: "allow" } & Passed)
  /** Everything passes, but a person must say yes first: the tokens whose policies ask. */
  | ({ verdict: "ask"; asking: readonly string[] } & Passed)
  | { verdict: "deny"; denial: Denial };

type Passed = { path: UpstreamPath; charges: readonly Charge[]; would_refuse: Denial | undefined };

/** Reads a meter; without it, what is counted is not judged: a call that was let through is not counted twice. */
export type ReadMeter = (meter: string) => Reading;
