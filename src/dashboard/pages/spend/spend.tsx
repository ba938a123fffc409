import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { Answer } from "../../data/api.ts";
import { now } from "../../data/clock.ts";
import { useKeyNames } from "../../data/key_names.ts";
import { useWhole } from "../../data/queries.ts";
import { Bars } from "../../ui/bars.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Ranked, type Ranking } from "../../ui/ranked.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { Answered, Empty } from "../../ui/states.tsx";
import { dollars } from "../../ui/words.ts";
import { Prices } from "./prices.tsx";

type Row = Answer<"GET /spend">["items"][number];

const DAY_MS = 86_400_000;
const DAYS = 30;

/** What calls to models cost, for tokens that have a budget: by day, token, key and model; and what models are taken to cost. */
export function SpendPage(): ReactNode {
  const [since] = useState(() => dayOf(now() - (DAYS - 1) * DAY_MS));
  const spend = useWhole("GET /spend", { query: { since } });
  return (
    <Page
      title="Spend"
      lead="What calls to models cost, counted from what their answers say. It is counted for tokens with a budget."
    >
      <Answered of={spend} lines={8}>
        {(items) =>
          items.length === 0 ? (
            <Card>
              <Empty
                icon="spend"
                title="Nothing spent yet"
                action={
                  <LinkButton href="/tokens/new" variant="primary">
                    Create a token with a budget
                  </LinkButton>
                }
              >
                Give a token US dollars a day or a month, and its calls to models are counted here and end when it is
                spent.
              </Empty>
            </Card>
          ) : (
            <Counted rows={items} />
          )
        }
      </Answered>
      <Prices />
    </Page>
  );
}

function Counted({ rows }: { rows: readonly Row[] }): ReactNode {
  const keys = useKeyNames();
  const tokens = useWhole("GET /tokens", {});
  const names = new Map(tokens.data?.map(({ id, name }) => [id, name]));
  const today = dayOf(now());
  const month = today.slice(0, 7);
  const calls = rows.reduce((sum, row) => sum + row.calls - (row.derived?.calls ?? 0), 0);
  const estimated = rows.reduce((sum, row) => sum + row.estimated - (row.derived?.estimated ?? 0), 0);
  return (
    <>
      <dl className="numbers">
        <Figure name="Today (UTC)" value={dollars(sum(rows.filter(({ day }) => day === today)))} />
        <Figure name="This month" value={dollars(sum(rows.filter(({ day }) => day.startsWith(month))))} />
        <Figure name="Calls in 30 days" value={calls.toLocaleString()} />
        <Figure
          name="Estimated"
          value={estimated.toLocaleString()}
          note={estimated === 0 ? "every answer said what it took" : "answers that did not say are counted by the most"}
        />
      </dl>
      <Card title="By day">
        <div className="chart-room">
          <Bars
            bars={days(rows)}
            label={`${dollars(sum(rows))} in the last ${DAYS} days`}
            format={(value) => dollars(value)}
          />
        </div>
      </Card>
      <div className="columns three">
        <Ranked
          title="By token"
          items={ranked(
            rows,
            ({ token }) => token,
            // What tokens derived from one have spent is spent of its own budget.
            ({ usd }) => usd,
            (id) => (
              <Link href={`/tokens/${id}`} className="name">
                {names.get(id) ?? id}
              </Link>
            ),
          )}
        />
        <Ranked
          title="By key"
          items={ranked(
            rows,
            ({ key }) => key,
            spentBy,
            (id) => (
              <Link href={`/keys/${id}`} className="name">
                {keys.get(id) ?? "deleted key"}
              </Link>
            ),
          )}
        />
        <Ranked
          title="By model"
          items={ranked(
            rows,
            ({ model }) => model,
            spentBy,
            (model) => (
              <span className="name">{model}</span>
            ),
          )}
        />
      </div>
    </>
  );
}

function Figure({ name, value, note }: { name: string; value: string; note?: string }): ReactNode {
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd>
        {value}
        {note === undefined ? null : <small>{note}</small>}
      </dd>
    </div>
  );
}

function sum(rows: readonly Row[]): number {
  return rows.reduce((total, row) => total + spentBy(row), 0);
}

/** What stands in no other token's row. */
function spentBy({ usd, derived }: Row): number {
  return usd - (derived?.usd ?? 0);
}

function ranked(
  rows: readonly Row[],
  by: (row: Row) => string,
  worth: (row: Row) => number,
  show: (id: string) => ReactNode,
): Ranking[] {
  const totals = new Map<string, number>();
  for (const row of rows) totals.set(by(row), (totals.get(by(row)) ?? 0) + worth(row));
  return [...totals]
    .toSorted(([, a], [, b]) => b - a)
    .map(([id, usd]) => ({ id, name: show(id), value: usd, shown: dollars(usd) }));
}

// Days are the server's, in UTC, as budgets are.
const SHORT = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

function days(rows: readonly Row[]) {
  return Array.from({ length: DAYS }, (_, index) => {
    const day = dayOf(now() - (DAYS - 1 - index) * DAY_MS);
    const label = SHORT.format(new Date(day));
    const usd = sum(rows.filter((row) => row.day === day));
    return { id: day, label, title: `${label}\n${dollars(usd)}`, parts: [{ className: "bar-ok", value: usd }] };
  });
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
