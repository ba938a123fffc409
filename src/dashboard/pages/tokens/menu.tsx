import type { ReactNode } from "react";
import { useLocation } from "wouter";
import { RowMenu } from "../../ui/menu.tsx";
import { usePause } from "../../ui/pause.ts";
import type { Token } from "./list.tsx";

/** What can be done with a token without opening it. */
export function TokenMenu({ of, revoke }: { of: Token; revoke: () => void }): ReactNode {
  const { id, name, paused, revoked_at } = of;
  const [, go] = useLocation();
  const toggle = usePause("token", of);
  const living = [
    { label: paused ? "Resume" : "Pause", act: toggle },
    { label: "Revoke…", act: revoke, grave: true },
  ];
  return (
    <RowMenu
      name={name}
      actions={[{ label: "Open", act: () => go(`/tokens/${id}`) }, ...(revoked_at === undefined ? living : [])]}
    />
  );
}
