import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { RowMenu } from "../../ui/menu.tsx";
import { usePause } from "../../ui/pause.ts";
import type { Token } from "./list.tsx";
import { RevokeToken } from "./revoke.tsx";

/** What can be done with a token without opening it. */
export function TokenMenu({ of }: { of: Token }): ReactNode {
  const { id, name, paused, revoked_at } = of;
  const [, go] = useLocation();
  const [revoking, setRevoking] = useState(false);
  const toggle = usePause("token", of);
  const living = [
    { label: paused ? "Resume" : "Pause", act: toggle },
    { label: "Revoke…", act: () => setRevoking(true), grave: true },
  ];
  return (
    <>
      <RowMenu
        name={name}
        actions={[{ label: "Open", act: () => go(`/tokens/${id}`) }, ...(revoked_at === undefined ? living : [])]}
      />
      <RevokeToken of={of} open={revoking} onClose={() => setRevoking(false)} />
    </>
  );
}
