import { lazy, Suspense, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { useKeys } from "../data/key_names.ts";
import { useTail } from "../data/live.ts";
import { useAnswer, useWhole } from "../data/queries.ts";
import { Freeze } from "../shell/freeze.tsx";
import { Icon } from "../shell/icons.tsx";
import { LinkButton } from "../ui/link_button.tsx";
import { LiveMark } from "../ui/live_mark.tsx";
import { Monogram } from "../ui/monogram.tsx";
import { Card, Page } from "../ui/page.tsx";
import { Ranked, type Ranking } from "../ui/ranked.tsx";
import { Answered, Loading } from "../ui/states.tsx";
import { Feed } from "./activity/feed.tsx";
import { Attention, ConnectedClients, OPEN_ALERTS } from "./overview/attention.tsx";
import { Findings } from "./overview/findings.tsx";
import { FirstRun } from "./overview/first_run.tsx";
import { Numbers } from "./overview/numbers.tsx";

const Calls = lazy(async () => ({ default: (await import("./overview/calls.tsx")).Calls }));

const FEED_EVERY_MS = 3_000;
const FEED_ROWS = 12;

/** What is happening now. Whoever has nothing yet is led to their first call instead. */
export function Overview(): ReactNode {
  const keys = useKeys();
  const tokens = useWhole("GET /tokens", {});
  const unused = tokens.data?.every(({ uses }) => uses === 0) ?? true;
  // What may stand above the rest is known before the rest is shown: nothing moves when it arrives.
  const above = [keys, tokens, useAnswer("GET /approvals", {}), useAnswer("GET /alerts", OPEN_ALERTS)];
  const known = above.every(({ data, error }) => data !== undefined || error !== null);
  // Once and for all: what is shown then asks again for what was refused, which is not known meanwhile.
  const [ready, setReady] = useState(known);
  if (known && !ready) setReady(true);
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
          <Freeze as="big" />
        </>
      }
    >
      {ready ? (
        <>
          {first ? <FirstRun keys={keys.data?.length ?? 0} tokens={tokens.data?.length ?? 0} /> : null}
          <Attention />
          <Numbers />
          <Suspense fallback={<Loading lines={6} />}>
            <Calls />
          </Suspense>
          <div className="columns main-aside">
            <LiveFeed />
            <div className="stack">
              <Findings />
              <ConnectedClients />
            </div>
          </div>
          <div className="columns two">
            <Ranked
              title="Most used keys"
              items={mostUsed(keys.data ?? [], ({ id, name, provider }) => (
                <>
                  <Monogram name={provider} />
                  <Link href={`/keys/${id}`} className="name">
                    {name}
                  </Link>
                </>
              ))}
            />
            <Ranked
              title="Most used tokens"
              items={mostUsed(tokens.data ?? [], ({ id, name }) => (
                <Link href={`/tokens/${id}`} className="name">
                  {name}
                </Link>
              ))}
            />
          </div>
        </>
      ) : (
        <Loading lines={12} />
      )}
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

type Used = { id: string; name: string; uses: number };

function mostUsed<Item extends Used>(items: readonly Item[], show: (item: Item) => ReactNode): Ranking[] {
  return items
    .filter(({ uses }) => uses > 0)
    .toSorted((a, b) => b.uses - a.uses)
    .map((item) => ({ id: item.id, name: show(item), value: item.uses, shown: item.uses.toLocaleString() }));
}
