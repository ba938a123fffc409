import type { AuditRow, Decision, Event, Settled } from "./row.ts";

/** How often something was used or refused; of a key also which of its versions was. */
export type Use = { uses: number; refused: number; last_used_at: number | null; versions: Map<number, VersionUse> };

export type VersionUse = { uses: number; last_used_at: number };

/** A row, and its decision as it was parsed: once. */
export type Read = { row: AuditRow; decision: Decision };

export function readRow(row: AuditRow): Read {
  return { row, decision: JSON.parse(row.decision) as Decision };
}

/** What rows say about the use of tokens and keys, by id. */
export function usesOf(rows: readonly Read[]): Map<string, Use> {
  const uses = new Map<string, Use>();
  for (const { row, decision } of rows) addUse(uses, decision, isRefused(decision, row), Date.parse(decision.at));
  return uses;
}

function isRefused({ outcome }: Decision, row: AuditRow): boolean {
  return outcome === "refused" || (row.outcome !== null && (JSON.parse(row.outcome) as Settled).outcome === "refused");
}

function addUse(uses: Map<string, Use>, event: Event, refused: boolean, at: number): void {
  const { action, actor, key, key_version, count = 1 } = event;
  // A tool uses no key by itself, but whoever has called it is there: a client that only reads is none that nobody needs.
  if (action === "tool.call" && !refused) usedAt(useOf(uses, actor.id), at);
  if (action !== "proxy.call") return;
  if (refused) {
    useOf(uses, actor.id).refused += count;
    return;
  }
  for (const id of key === undefined ? [actor.id] : [actor.id, key]) {
    const use = useOf(uses, id);
    use.uses++;
    usedAt(use, at);
  }
  if (key === undefined || key_version === undefined) return;
  const { versions } = useOf(uses, key);
  const before = versions.get(key_version) ?? { uses: 0, last_used_at: 0 };
  versions.set(key_version, { uses: before.uses + 1, last_used_at: Math.max(before.last_used_at, at) });
}

function usedAt(use: Use, at: number): void {
  use.last_used_at = Math.max(use.last_used_at ?? 0, at);
}

function useOf(uses: Map<string, Use>, id: string): Use {
  let use = uses.get(id);
  if (use === undefined) uses.set(id, (use = { uses: 0, refused: 0, last_used_at: null, versions: new Map() }));
  return use;
}

/**
 * What is not counted yet, since its rows are still in the outbox. Looked up when somebody asks, then followed: a list of keys
 * that is asked for again and again does not read the same rows each time.
 */
export class RecentUses {
  readonly #rows: () => readonly AuditRow[];
  #uses: Map<string, Use> | undefined;

  constructor(rows: () => readonly AuditRow[]) {
    this.#rows = rows;
  }

  byId(): ReadonlyMap<string, Use> {
    return (this.#uses ??= usesOf(this.#rows().map(readRow)));
  }

  /** A row was written. */
  add(event: Event, now: number): void {
    if (this.#uses !== undefined) addUse(this.#uses, event, event.outcome === "refused", now);
  }

  /** Rows have left, or one is not what it was when it was counted: to be looked up again. */
  forget(): void {
    this.#uses = undefined;
  }
}
