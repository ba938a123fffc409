import { buttonVariants } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { Icon } from "../shell/icons.tsx";

/** A file to take away. */
export function Download({ href, name, children }: { href: string; name: string; children: ReactNode }): ReactNode {
  return (
    <a className={buttonVariants({ variant: "secondary" })} href={href} download={name}>
      <Icon name="download" size={14} />
      {children}
    </a>
  );
}
