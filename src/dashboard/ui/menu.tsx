import { Button } from "@cloudflare/kumo/components/button";
import { DropdownMenu } from "@cloudflare/kumo/components/dropdown";
import type { ReactNode } from "react";
import { Icon } from "../shell/icons.tsx";

/** Something to do with a row. What cannot be taken back stands apart, last. */
export type Action = { label: string; act: () => void; grave?: boolean };

/** What can be done with a row without opening it. */
export function RowMenu({ name, actions }: { name: string; actions: readonly Action[] }): ReactNode {
  const [grave, others] = [actions.filter((one) => one.grave), actions.filter((one) => one.grave !== true)];
  return (
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
        {others.map(({ label, act }) => (
          <DropdownMenu.Item key={label} onClick={act}>
            {label}
          </DropdownMenu.Item>
        ))}
        {grave.length > 0 && others.length > 0 ? <DropdownMenu.Separator /> : null}
        {grave.map(({ label, act }) => (
          <DropdownMenu.Item key={label} variant="danger" onClick={act}>
            {label}
          </DropdownMenu.Item>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}
