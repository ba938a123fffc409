import type { Use } from "../audit/uses.ts";
import type { Parts } from "../parts.ts";
import type { ApiKey, Destination } from "./key.ts";

/** One of a key's versions, and how often its secret was used. Of one that is kept no more only that is known. */
export type UsedVersion = {
  version: number;
  uses: number;
  last_used_at: number | null;
  kept: { destination: Destination; created_at: number } | undefined;
};

/** Counts of uses as stored, plus those still in the outbox. */
export function withUses<Counted extends ApiKey>({ audit }: Parts, keys: readonly Counted[]): Counted[] {
  const recent = audit.uses.byId();
  return keys.map((key) => {
    const more = recent.get(key.id);
    if (more === undefined) return key;
    return { ...key, uses: key.uses + more.uses, last_used_at: latest(key.last_used_at, more.last_used_at) };
  });
}

/** The key of that id or name, as whoever has just changed it is told of it. */
export function usedKey(parts: Parts, ref: string): ApiKey {
  return withUses(parts, [parts.keys.must(ref)])[0] as ApiKey;
}

/** Every version that was ever used or is kept, newest first. */
export function versionUses({ audit, keys, versions }: Parts, ref: string): { key: ApiKey; versions: UsedVersion[] } {
  const key = keys.must(ref);
  const recent: Use["versions"] = audit.uses.byId().get(key.id)?.versions ?? new Map();
  const found = new Map<number, UsedVersion>(
    versions.list(key.id).map(({ version, ...kept }) => [version, { version, uses: 0, last_used_at: null, kept }]),
  );
  const add = (version: number, uses: number, at: number | null) => {
    const before = found.get(version) ?? { version, uses: 0, last_used_at: null, kept: undefined };
    found.set(version, { ...before, uses: before.uses + uses, last_used_at: latest(before.last_used_at, at) });
  };
  const became = new Map<number, number>();
  for (const { version, became: successor, uses, last_used_at } of versions.uses(key.id)) {
    if (successor !== null) became.set(version, successor);
    if (uses > 0) add(successor ?? version, uses, last_used_at);
  }
  for (const [version, { uses, last_used_at }] of recent) add(became.get(version) ?? version, uses, last_used_at);
  return { key, versions: [...found.values()].sort((a, b) => b.version - a.version) };
}

function latest(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}
