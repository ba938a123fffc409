import { useEffect, useState, type ReactNode } from "react";
import { addressOf } from "../../data/api.ts";
import { useKeys } from "../../data/key_names.ts";
import { useTail } from "../../data/live.ts";
import { useNames } from "../../data/names.ts";
import { useList } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { Choice } from "../../ui/choice.tsx";
import { Download } from "../../ui/download.tsx";
import { LiveMark } from "../../ui/live_mark.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { useLookedFor } from "../../ui/looked_for.ts";
import { useNarrow } from "../../ui/narrow.ts";
import { Card, Page } from "../../ui/page.tsx";
import { Search } from "../../ui/search.tsx";
import { Empty } from "../../ui/states.tsx";
import { When } from "../../ui/time.tsx";
import { RowDetails } from "./details.tsx";
import { Feed } from "./feed.tsx";
import { filterIn, FILTERS, SPANS, type FilterName } from "./filter.ts";
import { VerifyChain } from "./verify.tsx";
import { actorOf, Outcome, OUTCOME_NAMES, What, type Row } from "./words.tsx";

const TAIL_EVERY_MS = 2_000;
const PAGE = 50;

/** Everything that happened. */
export function Activity(): ReactNode {
  const [search, choose] = useLookedFor();
  const [open, setOpen] = useState<Row>();
  const every_ms = useTail(TAIL_EVERY_MS);
  const keys = useKeys();
  const names = useNames();
  const narrow = useNarrow();
  const filter = filterIn(search);
  const rows = useList("GET /activity", { query: { ...filter, limit: PAGE } }, { every_ms });
  const { items = [], hasNextPage, isFetching, isFetchNextPageError, fetchNextPage } = rows;
  // One request looks only so far back: until a page is full, the next one goes on by itself.
  const goesOn = items.length < PAGE && hasNextPage && !isFetching && !isFetchNextPageError;
  useEffect(() => void (goesOn && fetchNextPage()), [goesOn, fetchNextPage]);
  const value = (name: FilterName | "span") => search.get(name) ?? "";
  const others = FILTERS.filter((name) => !["q", "key", "outcome"].includes(name) && search.has(name));
  const columns: readonly Column<Row>[] = [
    {
      head: "When",
      cell: (row) => (
        <button type="button" className="opens" onClick={() => setOpen(row)}>
          <When at={row.at} />
          <span className="unseen"> Details of row {row.seq}</span>
        </button>
      ),
    },
    { head: "What", cell: (row) => <What of={row} names={names} /> },
    { head: "Outcome", cell: (row) => <Outcome of={row} /> },
    { head: "Who", wide: true, cell: (row) => <span className="name">{actorOf(row)}</span> },
    { head: "Key", wide: true, cell: ({ key_name }) => key_name ?? "" },
    {
      head: "Latency",
      kind: "number",
      wide: true,
      cell: ({ latency_ms }) => (latency_ms === undefined ? "" : `${latency_ms.toLocaleString()} ms`),
    },
  ];
  return (
    <Page
      title="Activity"
      lead="Every use, every refusal and every change, on record before it happens. Bodies and query strings never are."
      actions={
        <>
          <VerifyChain />
          <Export filter={filter} />
        </>
      }
    >
      <Card flush>
        <div className="filters">
          <Search label="Search activity" value={value("q")} onChange={(text) => choose("q", text)} />
          <Choice
            label="Key"
            hideLabel
            value={value("key")}
            onChange={(next) => choose("key", next)}
            options={[["", "Every key"], ...(keys.data ?? []).map(({ id, name }) => [id, name] as const)]}
          />
          <Choice
            label="Outcome"
            hideLabel
            value={value("outcome")}
            onChange={(next) => choose("outcome", next)}
            options={[["", "Every outcome"], ...OUTCOME_NAMES]}
          />
          <Choice
            label="Time"
            hideLabel
            value={value("span")}
            onChange={(next) => choose("span", next)}
            options={SPANS}
          />
          <LiveMark />
          {others.map((name) => (
            <button key={name} type="button" className="chip drop" onClick={() => choose(name, "")}>
              {name}: {search.get(name)} <Icon name="close" size={12} />
              <span className="unseen">Drop this filter</span>
            </button>
          ))}
        </div>
        <List
          label="Activity"
          of={rows}
          columns={columns}
          id={({ id }) => id}
          lines={10}
          instead={narrow ? (items) => <Feed rows={items} label="Activity" /> : undefined}
          empty={
            <Empty icon="activity" title="Nothing here">
              {search.size > 0 ? "Nothing on record matches." : "What happens will be here the moment it does."}
            </Empty>
          }
        />
      </Card>
      <RowDetails of={open} onClose={() => setOpen(undefined)} />
    </Page>
  );
}

/** The rows that are looked at, as a file. */
function Export({ filter }: { filter: ReturnType<typeof filterIn> }): ReactNode {
  return (["csv", "jsonl"] as const).map((format) => (
    <Download
      key={format}
      href={addressOf("GET /activity/export", { query: { ...filter, format } })}
      name={`activity.${format}`}
    >
      {format.toUpperCase()}
    </Download>
  ));
}
