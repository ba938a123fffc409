import { useState, type ReactNode } from "react";
import { useNames } from "../../data/names.ts";
import { When } from "../../ui/time.tsx";
import { RowDetails } from "./details.tsx";
import { actorOf, Outcome, What, type Row } from "./words.tsx";

/** Rows as a short list; a row opens to all that is on record. */
export function Feed({ rows, label }: { rows: readonly Row[]; label: string }): ReactNode {
  const names = useNames();
  const [open, setOpen] = useState<Row>();
  return (
    <>
      <ul className="lines feed" aria-label={label}>
        {rows.map((row) => (
          <li key={row.id}>
            <button type="button" className="feed-row" onClick={() => setOpen(row)}>
              <span className="line-main">
                <What of={row} names={names} />
                <small>
                  {actorOf(row)}
                  {row.key_name === undefined || row.path === undefined ? null : ` → ${row.key_name}`}
                </small>
              </span>
              <span className="feed-end">
                <Outcome of={row} />
                <small>
                  <When at={row.at} />
                </small>
              </span>
            </button>
          </li>
        ))}
      </ul>
      <RowDetails of={open} onClose={() => setOpen(undefined)} />
    </>
  );
}
