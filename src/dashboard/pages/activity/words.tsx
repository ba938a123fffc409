import type { ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
import { actionInWords } from "./actions.ts";
import { Status, type Tone } from "../../ui/status.tsx";

export type Row = Answer<"GET /activity">["items"][number];

const OUTCOMES: Record<string, readonly [Tone, string]> = {
  ok: ["good", "OK"],
  pending: ["ice", "Under way"],
  refused: ["warn", "Refused"],
  failed: ["bad", "Failed"],
  cut: ["bad", "Cut"],
  canceled: ["quiet", "Left by the caller"],
  interrupted: ["bad", "Interrupted"],
};

/** What went wrong on the way, however. */
export const WENT_WRONG = "failed,cut,interrupted";

export const OUTCOME_NAMES = [
  ...Object.entries(OUTCOMES).map(([outcome, [, name]]) => [outcome, name] as const),
  [WENT_WRONG, "Failed or cut"],
] as const;

/** How something ended. */
export function Outcome({ of: { outcome, status } }: { of: Pick<Row, "outcome" | "status"> }): ReactNode {
  const [tone, name] = OUTCOMES[outcome] ?? (["quiet", outcome] as const);
  const bad = outcome === "ok" && status !== undefined && status >= 400;
  return <Status tone={bad ? "warn" : tone}>{outcome === "ok" && status !== undefined ? String(status) : name}</Status>;
}

/** Who did it. */
export function actorOf({ actor }: Row): string {
  return actor.name || actor.kind;
}

/** Calls speak for themselves; what was done about one is told. */
const CALLS = new Set(["proxy.call", "proxy.late"]);
const ID = /^[a-z]{3}_[0-9A-Za-z]{20,}$/;

type WhatProps = { of: Row; names: ReadonlyMap<string, string> };

/** What was done, in one line. Everything in it came from outside and is shown as text. */
export function What({ of, names }: WhatProps): ReactNode {
  const { method, path, host, action, count, outcome, rule } = of;
  const isCall = method !== undefined || path !== undefined;
  // A row that counts refusals says of none of them where it went.
  const said = isCall ? undefined : count === undefined ? "Call" : "More calls";
  const about = isCall ? undefined : aboutOf(of, names);
  return (
    <span className="what">
      {CALLS.has(action) ? said : actionInWords(action)}
      {isCall && method !== undefined ? <code className="method">{method}</code> : null}
      {isCall ? <code className="path">{path ?? host ?? ""}</code> : null}
      {about === undefined ? null : <strong className="about">{about}</strong>}
      {count !== undefined && count > 1 ? ` × ${count}` : ""}
      {outcome === "refused" && rule !== undefined ? <small className="by-rule"> rule: {rule}</small> : null}
    </span>
  );
}

/** What it was about, by the name that a person gave it. An id that stands for nothing known is not worth a line. */
function aboutOf(of: Row, names: ReadonlyMap<string, string>): string | undefined {
  const { key_name, subject, tool } = of;
  const named = key_name ?? tool ?? (subject === undefined ? undefined : (names.get(subject) ?? subject));
  // Who did something about themselves is named beside it already.
  return named === undefined || ID.test(named) || named === actorOf(of) ? undefined : named;
}
