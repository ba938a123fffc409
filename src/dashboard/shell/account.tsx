import { Button } from "@cloudflare/kumo/components/button";
import { DropdownMenu } from "@cloudflare/kumo/components/dropdown";
import { useRef, type ReactNode } from "react";
import { useLocation } from "wouter";
import { useMe } from "../data/me.ts";
import { Icon } from "./icons.tsx";
import { useTheme, type Theme } from "./theme.ts";

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

/** Who is signed in, the theme, and the way out. */
export function Account(): ReactNode {
  const me = useMe();
  const [theme, setTheme] = useTheme();
  const [, go] = useLocation();
  const form = useRef<HTMLFormElement>(null);
  const name = me === undefined ? "" : (me.name ?? me.session?.name ?? "Account");
  return (
    <>
      <form method="post" action="/auth/sign-out" ref={form} hidden />
      <DropdownMenu>
        <DropdownMenu.Trigger
          render={
            <Button variant="ghost" className="account" aria-label={`Account: ${name}`}>
              <Icon name="user" size={17} />
              <span className="account-name">{name}</span>
              <Icon name="more" />
            </Button>
          }
        />
        <DropdownMenu.Content>
          <DropdownMenu.Item onClick={() => go("/settings")}>Settings</DropdownMenu.Item>
          <DropdownMenu.Separator />
          <DropdownMenu.Group>
            <DropdownMenu.Label>Theme</DropdownMenu.Label>
            <DropdownMenu.RadioGroup value={theme} onValueChange={(next: Theme) => setTheme(next)}>
              {THEMES.map(([value, label]) => (
                <DropdownMenu.RadioItem key={value} value={value}>
                  {label}
                  <DropdownMenu.RadioItemIndicator />
                </DropdownMenu.RadioItem>
              ))}
            </DropdownMenu.RadioGroup>
          </DropdownMenu.Group>
          <DropdownMenu.Separator />
          <DropdownMenu.Item onClick={() => form.current?.submit()}>Sign out</DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu>
    </>
  );
}
