import type { ReactNode } from "react";
import { Card } from "./page.tsx";

/** One of several by size: what it is, how much, and that in words. */
export type Ranking = { id: string; name: ReactNode; value: number; shown: string };

const TOP = 5;

/** What there is most of, with how much beside it. */
export function Ranked({ title, items }: { title: string; items: readonly Ranking[] }): ReactNode {
  const [first] = items;
  if (first === undefined) return null;
  return (
    <Card title={title}>
      <ul className="lines">
        {items.slice(0, TOP).map(({ id, name, value, shown }) => (
          <li key={id}>
            <span className="with-icon">{name}</span>
            <span className="amount">
              <meter min={0} max={first.value} value={value} aria-hidden="true" />
              <span>{shown}</span>
            </span>
          </li>
        ))}
        {items.length > TOP ? <li className="muted">and {items.length - TOP} more</li> : null}
      </ul>
    </Card>
  );
}
