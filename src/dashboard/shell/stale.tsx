import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { queries } from "../data/queries.ts";
import { useStale } from "../data/stale.ts";
import { exact } from "../ui/time.tsx";
import { Icon } from "./icons.tsx";

/** Says on every page when what it shows could not be read again: it may be otherwise by now. */
export function StaleNotice(): ReactNode {
  const stale = useStale();
  if (stale === undefined) return null;
  return (
    <div className="note warn stale" role="status">
      <Icon name="alert" size={18} />
      <div className="row">
        <span>
          <strong>This may be old.</strong> It was read at {exact(new Date(stale.dataUpdatedAt).toISOString())}, and not
          since: {stale.error?.message}
        </span>
        <Button size="sm" onClick={() => void queries.invalidateQueries()}>
          Try again
        </Button>
      </div>
    </div>
  );
}
