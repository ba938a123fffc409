import { Button } from "@cloudflare/kumo/components/button";
import { DropdownMenu } from "@cloudflare/kumo/components/dropdown";
import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { useAct } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { useTold } from "../../ui/told.ts";
import { DeleteKey } from "./delete.tsx";

/** What can be done with a key without opening it. */
export function KeyMenu({
  of: { id, name, paused },
}: {
  of: { id: string; name: string; paused: boolean };
}): ReactNode {
  const [, go] = useLocation();
  const [deleting, setDeleting] = useState(false);
  const tell = useTold();
  const pause = useAct("POST /keys/{key}/pause");
  const resume = useAct("POST /keys/{key}/resume");
  const toggle = () =>
    tell(
      (paused ? resume : pause).mutateAsync({ params: { key: id } }),
      paused ? `${name} is in use again` : `${name} is paused: nothing can use it`,
    );
  return (
    <>
      <DropdownMenu>
        <DropdownMenu.Trigger
          render={
            <Button
              variant="ghost"
              size="sm"
              shape="square"
              aria-label={`Actions for ${name}`}
              icon={<Icon name="more" />}
            />
          }
        />
        <DropdownMenu.Content>
          <DropdownMenu.Item onClick={() => go(`/keys/${id}`)}>Open</DropdownMenu.Item>
          <DropdownMenu.Item onClick={() => go(`/tokens/new?key=${encodeURIComponent(name)}`)}>
            New token
          </DropdownMenu.Item>
          <DropdownMenu.Item onClick={() => void toggle()}>{paused ? "Resume" : "Pause"}</DropdownMenu.Item>
          <DropdownMenu.Separator />
          <DropdownMenu.Item variant="danger" onClick={() => setDeleting(true)}>
            Delete…
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu>
      <DeleteKey of={{ id, name }} open={deleting} onClose={() => setDeleting(false)} />
    </>
  );
}
