import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { Failed, Loading } from "./states.tsx";

/** A column: `wide` ones are left out where there is no room for them. */
export type Column<Item> = {
  head: string;
  cell: (item: Item) => ReactNode;
  kind?: "number" | "actions";
  wide?: boolean;
};

type Pages<Item> = {
  items: Item[] | undefined;
  error: Error | null;
  refetch: () => unknown;
  hasNextPage?: boolean;
  isFetchingNextPage?: boolean;
  fetchNextPage?: () => unknown;
};

type ListProps<Item> = {
  label: string;
  of: Pages<Item>;
  columns: readonly Column<Item>[];
  id: (item: Item) => string;
  empty: ReactNode;
  dim?: ((item: Item) => boolean) | undefined;
  lines?: number;
  /** What stands in the place of the table, where there is no room for one. */
  instead?: ((items: Item[]) => ReactNode) | undefined;
};

/** A table of what a list operation answers, page after page. */
export function List<Item>({ label, of, columns, id, empty, dim, lines = 6, instead }: ListProps<Item>): ReactNode {
  const { items, error, hasNextPage = false, isFetchingNextPage = false } = of;
  if (items === undefined) {
    return error === null ? <Loading lines={lines} /> : <Failed error={error} retry={() => void of.refetch()} />;
  }
  if (items.length === 0 && !hasNextPage) return empty;
  return (
    <>
      {items.length === 0 ? (
        <p className="so-far">Nothing so far.</p>
      ) : instead === undefined ? (
        <Table items={items} label={label} columns={columns} id={id} dim={dim} />
      ) : (
        instead(items)
      )}
      {hasNextPage ? (
        <div className="more">
          <Button loading={isFetchingNextPage} onClick={() => void of.fetchNextPage?.()}>
            {items.length === 0 ? "Look further" : "Show more"}
          </Button>
        </div>
      ) : null}
    </>
  );
}

type TableProps<Item> = Pick<ListProps<Item>, "label" | "columns" | "id" | "dim"> & { items: readonly Item[] };

function Table<Item>({ items, label, columns, id, dim }: TableProps<Item>): ReactNode {
  return (
    <div className="table-room">
      <table className="listing" aria-label={label}>
        <thead>
          <tr>
            {columns.map(({ head, kind, wide }) => (
              <th key={head} scope="col" className={classOf(kind, wide)}>
                {kind === "actions" ? <span className="unseen">{head}</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={id(item)} className={dim?.(item) === true ? "dim" : undefined}>
              {columns.map(({ head, cell, kind, wide }) => (
                <td key={head} className={classOf(kind, wide)}>
                  {cell(item)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function classOf(kind: string | undefined, wide: boolean | undefined): string {
  return `${kind ?? ""} ${wide === true ? "wide" : ""}`.trim();
}
