import { lazy, Suspense, type ReactNode } from "react";
import { Link } from "wouter";
import { useKeys, type Key } from "../data/key_names.ts";
import { useTail } from "../data/live.ts";
import { useAnswer } from "../data/queries.ts";
import { Freeze } from "../shell/freeze.tsx";
import { Icon } from "../shell/icons.tsx";
import { LinkButton } from "../ui/link_button.tsx";
import { LiveMark } from "../ui/live_mark.tsx";
import { Monogram } from "../ui/monogram.tsx";
import { Card, Page } from "../ui/page.tsx";
import { Answered, Loading } from "../ui/states.tsx";
import { Feed } from "./activity/feed.tsx";
import { ConnectedClients, OpenAlerts } from "./overview/attention.tsx";
import { Findings } from "./overview/findings.tsx";
import { FirstRun } from "./overview/first_run.tsx";
import { Numbers } from "./overview/numbers.tsx";

const Calls = lazy(async () => ({ default: (await import("./overview/calls.tsx")).Calls }));

const FEED_EVERY_MS = 3_000;
const FEED_ROWS = 12;
const TOP = 5;

/** What is happening now. Whoever has nothing yet is led to their first call instead. */
export function Overview(): ReactNode {
  const keys = useKeys();
  const tokens = useAnswer("GET /tokens", { query: { limit: 200 } });
  const unused = tokens.data?.items.every(({ uses }) => uses === 0) ?? true;
  const first = keys.data !== undefined && tokens.data !== undefined && (keys.data.length === 0 || unused);
  return (
    <Page
      title="Overview"
      actions={
        <>
          <LinkButton href="/keys/new" icon={<Icon name="plus" />}>
            Add a key
          </LinkButton>
          <LinkButton href="/tokens/new" icon={<Icon name="plus" />}>
            Create a token
          </LinkButton>
          <Freeze big />
        </>
      }
    >
      {first ? <FirstRun keys={keys.data?.length ?? 0} tokens={tokens.data?.items.length ?? 0} /> : null}
      <Numbers />
      <Suspense fallback={<Loading lines={6} />}>
        <Calls />
      </Suspense>
      <div className="columns main-aside">
        <LiveFeed />
        <div className="stack">
          <OpenAlerts />
          <Findings />
          <ConnectedClients />
          <Top
            title="Most used keys"
            items={mostUsed(keys.data ?? [])}
            path="/keys"
            mark={(key) => <Monogram name={key.provider} />}
          />
          <Top title="Most used tokens" items={mostUsed(tokens.data?.items ?? [])} path="/tokens" />
        </div>
      </div>
    </Page>
  );
}

function LiveFeed(): ReactNode {
  const rows = useAnswer("GET /activity", { query: { limit: FEED_ROWS } }, { every_ms: useTail(FEED_EVERY_MS) });
  return (
    <Card
      flush
      title={
        <span className="row">
          Now <LiveMark />
        </span>
      }
      actions={
        <LinkButton href="/activity" size="sm" variant="ghost">
          All activity
        </LinkButton>
      }
    >
      <Answered of={rows} lines={8}>
        {({ items }) => <Feed rows={items} label="Latest activity" />}
      </Answered>
    </Card>
  );
}

function mostUsed<Item extends { uses: number }>(items: readonly Item[]): Item[] {
  return items
    .filter(({ uses }) => uses > 0)
    .toSorted((a, b) => b.uses - a.uses)
    .slice(0, TOP);
}

type TopItem = Pick<Key, "id" | "name" | "uses">;
type TopProps<Item> = { title: string; items: readonly Item[]; path: string; mark?: (item: Item) => ReactNode };

function Top<Item extends TopItem>({ title, items, path, mark }: TopProps<Item>): ReactNode {
  if (items.length === 0) return null;
  const most = items[0]?.uses ?? 1;
  return (
    <Card title={title}>
      <ul className="lines">
        {items.map((item) => (
          <li key={item.id}>
            <span className="with-icon">
              {mark?.(item)}
              <Link href={`${path}/${item.id}`} className="name">
                {item.name}
              </Link>
            </span>
            <span className="amount">
              <meter min={0} max={most} value={item.uses} aria-label={`Uses of ${item.name}`} />
              {item.uses.toLocaleString()}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
