import type { ReactNode } from "react";
import { useLocation } from "wouter";
import type { Key } from "../../data/key_names.ts";
import { RowMenu } from "../../ui/menu.tsx";
import { usePause } from "../../ui/pause.ts";

/** What can be done with a key without opening it. */
export function KeyMenu({ of, remove }: { of: Key; remove: () => void }): ReactNode {
  const { id, name, paused } = of;
  const [, go] = useLocation();
  const toggle = usePause("key", of);
  return (
    <RowMenu
      name={name}
      actions={[
        { label: "Open", act: () => go(`/keys/${id}`) },
        { label: "New token", act: () => go(`/tokens/new?key=${encodeURIComponent(name)}`) },
        { label: paused ? "Resume" : "Pause", act: toggle },
        { label: "Delete…", act: remove, grave: true },
      ]}
    />
  );
}
