import {
  QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type UseMutationResult,
  type UseQueryResult,
} from "@tanstack/react-query";
import { call, Refused, type Answer, type Given, type Route } from "./api.ts";

/** What was read stays on screen while it is read again; a refusal is not asked for twice. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, fault) => !(fault instanceof Refused && fault.status > 0 && fault.status < 500) && failures < 2,
    },
  },
});

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
    placeholderData: (before) => before,
    refetchInterval: options.every_ms ?? false,
    enabled: options.when ?? true,
  });
  return { ...pages, items: pages.data?.pages.flatMap(({ items }) => items) };
}

/** Does an operation; afterwards everything on screen is read again. */
export function useAct<R extends Route>(
  route: R,
  { keep = false }: { keep?: boolean } = {},
): UseMutationResult<Answer<R>, Error, Given<R>> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (given: Given<R>) => call(route, given),
    // What an answer holds may be secret: nothing remembers it once its reader is gone.
    gcTime: 0,
    onSuccess: () => (keep ? undefined : client.invalidateQueries()),
  });
}
