import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { useAct } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { useTold } from "../../ui/told.ts";
import type { Row } from "./words.tsx";

const KEPT_MS = 7 * 86_400_000;

/** A key that a client deleted is kept aside for a week: a model may have been talked into it (SECURITY S21). */
export function BringBack({ of }: { of: Row }): ReactNode {
  const restore = useAct("POST /keys/{key}/restore");
  const tell = useTold();
  const key = of.key ?? of.subject;
  if (of.action !== "key.delete" || of.actor.kind !== "oauth" || key === undefined) return null;
  if (Date.parse(of.at) < Date.now() - KEPT_MS) return null;
  return (
    <div className="note">
      <Icon name="rotate" />
      <div className="row">
        <span>A client did this. For seven days you can undo it.</span>
        <Button
          size="sm"
          loading={restore.isPending}
          onClick={() => void tell(restore.mutateAsync({ params: { key } }), "The key is back")}
        >
          Bring it back
        </Button>
      </div>
    </div>
  );
}
