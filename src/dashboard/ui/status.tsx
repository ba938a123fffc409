import type { ReactNode } from "react";
import { now } from "../data/clock.ts";
import { useUnanswered } from "../data/meanwhile.ts";

/** How something stands: a word with a dot of its colour before it. */
export type Tone = "good" | "warn" | "bad" | "ice" | "quiet";

export function Status({ tone, children }: { tone: Tone; children: ReactNode }): ReactNode {
  return <span className={`status ${tone}`}>{children}</span>;
}

/** A word that belongs to something: a tag, a method, a version. */
export function Chip({ children, mono = false }: { children: ReactNode; mono?: boolean }): ReactNode {
  return <span className={mono ? "chip mono" : "chip"}>{children}</span>;
}

type Lives = {
  id?: string;
  paused?: boolean;
  expires_at?: string | undefined;
  /** When it ends for want of a refresh. */
  refresh_by?: string | undefined;
  revoked_at?: string | undefined;
};

/** Whether a key or a token may be used. */
export function Life({ id, paused = false, expires_at, refresh_by, revoked_at }: Lives): ReactNode {
  const unanswered = useUnanswered(id);
  if (revoked_at !== undefined) return <Status tone="quiet">Revoked</Status>;
  if ([expires_at, refresh_by].some((at) => at !== undefined && Date.parse(at) <= now()))
    return <Status tone="bad">Expired</Status>;
  // Shown at once, but never as done before it is.
  if (unanswered) return <Status tone="quiet">{paused ? "Pausing…" : "Resuming…"}</Status>;
  if (paused) return <Status tone="warn">Paused</Status>;
  return <Status tone="good">Active</Status>;
}
