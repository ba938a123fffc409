import { Button } from "@cloudflare/kumo/components/button";
import { DropdownMenu } from "@cloudflare/kumo/components/dropdown";
import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { useAct } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { useTold } from "../../ui/told.ts";
import type { Token } from "./list.tsx";
import { RevokeToken } from "./revoke.tsx";

/** What can be done with a token without opening it. */
export function TokenMenu({ of }: { of: Token }): ReactNode {
  const { id, name, paused, revoked_at } = of;
  const [, go] = useLocation();
  const [revoking, setRevoking] = useState(false);
  const toggle = usePauseToken(of);
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
          <DropdownMenu.Item onClick={() => go(`/tokens/${id}`)}>Open</DropdownMenu.Item>
          {revoked_at === undefined ? (
            <>
              <DropdownMenu.Item onClick={toggle}>{paused ? "Resume" : "Pause"}</DropdownMenu.Item>
              <DropdownMenu.Separator />
              <DropdownMenu.Item variant="danger" onClick={() => setRevoking(true)}>
                Revoke…
              </DropdownMenu.Item>
            </>
          ) : null}
        </DropdownMenu.Content>
      </DropdownMenu>
      <RevokeToken of={of} open={revoking} onClose={() => setRevoking(false)} />
    </>
  );
}

/** Pauses a token, or resumes it, and says so. */
export function usePauseToken({ id, name, paused }: Pick<Token, "id" | "name" | "paused">): () => void {
  const tell = useTold();
  const pause = useAct("POST /tokens/{id}/pause");
  const resume = useAct("POST /tokens/{id}/resume");
  return () =>
    void tell(
      (paused ? resume : pause).mutateAsync({ params: { id } }),
      paused ? `${name} works again` : `${name} is paused, and what it had open is cut`,
    );
}
