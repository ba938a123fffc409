import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { useAct, useWhole } from "../../data/queries.ts";
import { Monogram } from "../../ui/monogram.tsx";
import { Card } from "../../ui/page.tsx";
import { When } from "../../ui/time.tsx";
import { useTold } from "../../ui/told.ts";

/** Keys that a client deleted: a model may have been talked into it, so for a week their owner has the last word (SECURITY S21). */
export function DeletedKeys(): ReactNode {
  const { data } = useWhole("GET /deleted-keys", {});
  const restore = useAct("POST /keys/{key}/restore");
  const tell = useTold();
  if (data === undefined || data.length === 0) return null;
  return (
    <Card flush title="Deleted by a client" lead="Nothing can use these. Bring one back and it is as it was.">
      <ul className="lines" aria-label="Deleted keys">
        {data.map(({ id, name, provider, deleted_at, until }) => (
          <li key={id}>
            <span className="with-icon">
              <Monogram name={provider} />
              <span className="line-main">
                <span className="name">{name}</span>
                <small>
                  deleted <When at={deleted_at} /> · gone for good <When at={until} />
                </small>
              </span>
            </span>
            <Button
              size="sm"
              disabled={restore.isPending}
              onClick={() => void tell(restore.mutateAsync({ params: { key: id } }), `${name} is back`)}
            >
              Bring back
            </Button>
          </li>
        ))}
      </ul>
    </Card>
  );
}
