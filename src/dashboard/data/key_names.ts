import { useQuery } from "@tanstack/react-query";
import { call, type Answer } from "./api.ts";
import { useLaidOver } from "./queries.ts";

export type Key = Answer<"GET /keys">["items"][number];

const MOST = 1_000;

/** The keys to choose from. Whoever has more of them than anybody reads types a name instead. */
export function useKeys() {
  return useQuery({
    queryKey: ["GET /keys", "all"],
    select: useLaidOver<Key[]>(),
    queryFn: async ({ signal }) => {
      const all: Key[] = [];
      let cursor: string | undefined;
      do {
        const page = await call("GET /keys", { query: { limit: 200, cursor } }, signal);
        all.push(...page.items);
        cursor = page.next_cursor;
      } while (cursor !== undefined && all.length < MOST);
      return all;
    },
  });
}

/** What keys are called, by id. */
export function useKeyNames(): ReadonlyMap<string, string> {
  const { data = [] } = useKeys();
  return new Map(data.map(({ id, name }) => [id, name]));
}
