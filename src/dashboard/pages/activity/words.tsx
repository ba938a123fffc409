import type { ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
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

export const OUTCOME_NAMES = Object.entries(OUTCOMES).map(([outcome, [, name]]) => [outcome, name] as const);

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

/** What was done, in one line. Everything in it came from outside and is shown as text. */
export function What({ of }: { of: Row }): ReactNode {
  const { method, path, host, subject, key_name, action, count } = of;
  const times = count !== undefined && count > 1 ? ` × ${count}` : "";
  if (method !== undefined || path !== undefined) {
    return (
      <span className="what">
        {method === undefined ? null : <code className="method">{method}</code>}
        <code className="path">{path ?? host ?? ""}</code>
        {times}
      </span>
    );
  }
  return (
    <span className="what">
      {action.replace(".", " ").replaceAll("_", " ")}
      {subject === undefined && key_name === undefined ? null : <code className="path">{subject ?? key_name}</code>}
      {times}
    </span>
  );
}
