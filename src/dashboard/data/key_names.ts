import { useQuery } from "@tanstack/react-query";
import type { Answer } from "./api.ts";
import { readWhole, useLaidOver } from "./queries.ts";

export type Key = Answer<"GET /keys">["items"][number];

const MOST = 1_000;

/** The keys to choose from. Whoever has more of them than anybody reads types a name instead. */
export function useKeys() {
  return useQuery({
    queryKey: ["GET /keys", "all"],
    select: useLaidOver<Key[]>(),
    queryFn: ({ signal }) => readWhole("GET /keys", {}, { signal, enough: MOST }),
  });
}

/** What keys are called, by id. */
export function useKeyNames(): ReadonlyMap<string, string> {
  const { data = [] } = useKeys();
  return new Map(data.map(({ id, name }) => [id, name]));
}
