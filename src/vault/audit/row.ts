import type { Gap } from "./spans.ts";
import { sha256 } from "../../crypto/digest.ts";

/** Who did it. */
export type Actor = {
  kind: "app" | "session" | "device" | "oauth" | "vault";
  id: string;
  name: string;
};

/** Where a call came from, as the router saw it. */
export type Origin = { ip: string; country: string; user_agent: string };

/** The vault itself, where it acts unasked. */
export const BY_VAULT: { actor: Actor } & Origin = {
  actor: { kind: "vault", id: "vault", name: "API Locker" },
  ip: "",
  country: "XX",
  user_agent: "",
};

/** What is recorded before anything happens. Never bodies, query strings, header values or secrets (DESIGN D2). */
export type Event = {
  actor: Actor;
  /** The access token that was shown, where the actor is its grant. */
  token?: string | undefined;
  /** Of a token that rotates: the generation that its access token belongs to. */
  generation?: number | undefined;
  action: string;
  /** Absent while the outcome is still to come. */
  outcome?: "ok" | "refused" | "failed" | "canceled" | undefined;
  /** Of what had begun and ended by the time it was recorded: how, and how long it took. */
  status?: number | undefined;
  latency_ms?: number | undefined;
  rule?: string | undefined;
  /** What a rule on trial would have refused. */
  would_refuse?: string | undefined;
  key?: string | undefined;
  /** Whose secret was handed out. */
  key_version?: number | undefined;
  key_name?: string | undefined;
  provider?: string | undefined;
  method?: string | undefined;
  /** It named another method beside, in a header or parameter by which servers take one. */
  overridden?: boolean | undefined;
  host?: string | undefined;
  path?: string | undefined;
  subject?: string | undefined;
  /** The MCP tool that was called. */
  tool?: string | undefined;
  /** What may be shown once only and was, told by its digest, and until when somebody could show it again. */
  spent?: { hash: string; until: string } | undefined;
  /** For a counted row: how many refusals of this kind it stands for. */
  count?: number | undefined;
  /** After a restore: entries of either chain that were under way when it came, and that no log has any more. */
  lost?: { rows: Gap[]; outcomes: Gap[] } | undefined;
} & Origin;

/** How a pending row ended. */
export type Outcome = {
  outcome: "ok" | "failed" | "cut" | "canceled" | "interrupted" | "refused";
  rule?: string | undefined;
  status?: number | undefined;
  latency_ms?: number | undefined;
  bytes_in?: number | undefined;
  bytes_out?: number | undefined;
  /** What it cost, where a budget pays; `usd_estimated` where the answer did not say. */
  usd?: number | undefined;
  usd_estimated?: boolean | undefined;
};

/** A row as it is stored, in the outbox and in D1: the texts are hashed to the letter. */
export type AuditRow = {
  seq: number;
  decision: string;
  hash: string;
  outcome: string | null;
  outcome_hash: string | null;
};

/** An end of the chains. Decisions and outcomes are two gapless chains; an outcome names the decision that it ends. */
export type ChainHeads = { head_seq: number; head_hash: string; outcome_seq: number; outcome_hash: string };

/** Where both chains of a new vault begin. */
export const GENESIS: ChainHeads = { head_seq: 0, head_hash: "", outcome_seq: 0, outcome_hash: "" };

/** What a decision's text holds. */
export type Decision = { seq: number; prev: string; id: string; at: string } & Event;
/** What an outcome's text holds; `of` is the hash of its decision. */
export type Settled = { seq: number; prev: string; of: string; at: string } & Outcome;

/** The hash of a chained text. Its `prev` is inside it, so each hash covers all that came before (SECURITY S17). */
export function chainHash(text: string): string {
  return sha256(text);
}
