import type { ReactNode } from "react";
import { useTail } from "../../data/live.ts";
import { useAnswer } from "../../data/queries.ts";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card } from "../../ui/page.tsx";
import { Answered } from "../../ui/states.tsx";
import { Feed } from "./feed.tsx";

const SHOWN = 8;
const EVERY_MS = 5_000;

type RecentProps = { filter: { key?: string; token?: string; device?: string; grant?: string }; empty: string };

/** The newest rows about one thing. */
export function RecentActivity({ filter, empty }: RecentProps): ReactNode {
  const rows = useAnswer("GET /activity", { query: { ...filter, limit: SHOWN } }, { every_ms: useTail(EVERY_MS) });
  return (
    <Card
      flush
      title="Recent activity"
      actions={
        <LinkButton href={`/activity?${new URLSearchParams(filter).toString()}`} size="sm" variant="ghost">
          All activity
        </LinkButton>
      }
    >
      <Answered of={rows} lines={5}>
        {({ items }) =>
          items.length === 0 ? <p className="muted pad">{empty}</p> : <Feed rows={items} label="Recent activity" />
        }
      </Answered>
    </Card>
  );
}
