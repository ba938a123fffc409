type Asked = { queryKey: readonly unknown[]; state: { data?: unknown } };

/** How many items a page has, where nobody says otherwise. */
const PAGE = 50;

/** Whether it took looking far back to find so much: each reading looks as far again, so that it is not read with every call. */
export function isDeep({ queryKey: [, , given], state: { data } }: Asked): boolean {
  const { pages = [] } = (data ?? {}) as { pages?: { items: unknown[]; next_cursor?: string }[] };
  const full = (given as { query?: { limit?: number } } | undefined)?.query?.limit ?? PAGE;
  return pages.some(({ items, next_cursor }) => next_cursor !== undefined && items.length < full);
}
