import type { Query } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { Refused } from "./api.ts";
import { queries } from "./queries.ts";

/** What is on screen and could not be read again, the oldest of it: what it was refused with, and when it was read. */
export function useStale(): { error: Error | null; dataUpdatedAt: number } | undefined {
  return useSyncExternalStore(
    (listener) => queries.getQueryCache().subscribe(listener),
    () => oldest(queries.getQueryCache().findAll({ type: "active", predicate: isStale })),
  );
}

/** That something is no more is told where it stood. */
function isStale({ state: { data, error } }: Query): boolean {
  return data !== undefined && error !== null && !(error instanceof Refused && error.status === 404);
}

function oldest(failed: readonly Query[]): Query["state"] | undefined {
  return failed.map(({ state }) => state).toSorted((a, b) => a.dataUpdatedAt - b.dataUpdatedAt)[0];
}
