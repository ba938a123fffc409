import {
  QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type InfiniteData,
  type UseMutationResult,
  type UseQueryResult,
} from "@tanstack/react-query";
import { useCallback } from "react";
import { isDeep } from "./deep.ts";
import { call, Refused, type Answer, type Given, type Route } from "./api.ts";
import { laidOver, meanwhile, useMeanwhile, type Change } from "./meanwhile.ts";

/**
 * What was read stays on screen while it is read again; a refusal is not asked for twice. Nothing waits for the network to come back:
 * a page says that it cannot be read, and what somebody wants done is done now or, as they are told, not at all.
 */
export const queries = new QueryClient({
  defaultOptions: {
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      refetchOnReconnect: true,
      // Whoever comes back to a page sees what is, not what was a moment before they left.
      refetchOnWindowFocus: "always",
      staleTime: 5_000,
      retry: (failures, fault) => failures < 2 && navigator.onLine && !isRefusal(fault),
    },
  },
});

/** Whether it would be answered the same if it were asked again. */
function isRefusal(fault: Error): boolean {
  return fault instanceof Refused && fault.status > 0 && fault.status < 500;
}

/** Shows what was read as it will be once all that was asked for is done. */
export function useLaidOver<Read>(): (read: Read) => Read {
  const over = useMeanwhile();
  return useCallback((read: Read) => laidOver(read, over), [over]);
}

type Options = { every_ms?: number | undefined; when?: boolean };

/** Reads an operation, and reads it again `every_ms`. */
export function useAnswer<R extends Route>(
  route: R,
  given: Given<R>,
  { every_ms, when = true }: Options = {},
): UseQueryResult<Answer<R>> {
  return useQuery({
    queryKey: [route, given],
    queryFn: ({ signal }) => call(route, given, signal),
    select: useLaidOver<Answer<R>>(),
    placeholderData: (before) => before,
    refetchInterval: every_ms ?? false,
    enabled: when,
  });
}

type Listed<R extends Route> = Answer<R> extends { items: (infer Item)[] } ? Item : never;

/** A list, page after page. */
export function useList<R extends Route>(route: R, given: Given<R>, options: Options = {}) {
  const pages = useInfiniteQuery({
    queryKey: [route, "pages", given],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) => {
      const query = { ...(given as { query?: object }).query, cursor: pageParam };
      return (await call(route, { ...given, query }, signal)) as { items: Listed<R>[]; next_cursor?: string };
    },
    getNextPageParam: (last) => last.next_cursor,
    select: useLaidOver<InfiniteData<{ items: Listed<R>[]; next_cursor?: string }>>(),
    placeholderData: (before) => before,
    refetchInterval: (query) => !isDeep(query) && (options.every_ms ?? false),
    refetchOnWindowFocus: (query) => !isDeep(query) && "always",
    enabled: options.when ?? true,
  });
  return { ...pages, items: pages.data?.pages.flatMap(({ items }) => items) };
}

/** A list, read page after page to its end, or until that is enough. */
export async function readWhole<R extends Route>(
  route: R,
  given: Given<R>,
  { signal, enough = Infinity }: { signal: AbortSignal; enough?: number },
): Promise<Listed<R>[]> {
  const items: Listed<R>[] = [];
  let cursor: string | undefined;
  do {
    const query = { ...(given as { query?: object }).query, limit: 200, cursor };
    const page = await call(route, { ...given, query }, signal);
    items.push(...(page as { items: Listed<R>[] }).items);
    cursor = (page as { next_cursor?: string }).next_cursor;
  } while (cursor !== undefined && items.length < enough);
  return items;
}

/** A whole list, for what is made of all of it. */
export function useWhole<R extends Route>(route: R, given: Given<R>): UseQueryResult<Listed<R>[]> {
  return useQuery({
    queryKey: [route, "whole", given],
    queryFn: ({ signal }) => readWhole(route, given, { signal }),
    select: useLaidOver<Listed<R>[]>(),
    placeholderData: (before) => before,
  });
}

type Doing<Asked> = {
  /** Nothing is read again afterwards. */
  keep?: boolean;
  /** What can be shown before it is answered, since it is harmless and the answer hardly ever no. A no takes it back. */
  shows?: (asked: Asked) => Change;
  /** What shares it waits for its turn: of a yes and a no that follow each other the later one has to win. */
  turn?: string;
};

/** Does an operation; afterwards everything on screen is read again. */
export function useAct<R extends Route>(
  route: R,
  options: Doing<Given<R>> = {},
): UseMutationResult<Answer<R>, Error, Given<R>> {
  return useDoing((given: Given<R>) => call(route, given), options);
}

/** The same for what is not always the same operation. */
export function useDoing<Asked, Done>(
  act: (asked: Asked) => Promise<Done>,
  { keep = false, shows, turn }: Doing<Asked>,
): UseMutationResult<Done, Error, Asked> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    ...(turn === undefined ? {} : { scope: { id: turn } }),
    // What an answer holds may be secret: nothing remembers it once its reader is gone.
    gcTime: 0,
    onMutate: (asked) => {
      if (shows === undefined) return undefined;
      const change = shows(asked);
      return { change, drop: meanwhile(change) };
    },
    onError: (_error, _asked, shown) => shown?.drop(),
    onSuccess: (_done, _asked, shown) => {
      if (shown !== undefined) {
        // It is so now, also where the next reading fails.
        client.setQueriesData({}, (read: unknown) => laidOver(read, [shown.change]));
        shown.drop();
      }
      return keep ? undefined : client.invalidateQueries();
    },
  });
}
