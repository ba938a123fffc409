import { buttonVariants } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { save, wholeFile } from "../data/file.ts";
import { Icon } from "../shell/icons.tsx";
import { useTold } from "./told.ts";

/** A file to take away, whole, in however many parts it comes. */
export function Download({ href, name, children }: { href: string; name: string; children: ReactNode }): ReactNode {
  const tell = useTold();
  const take = async () => save(await wholeFile(href), name);
  return (
    <a
      className={buttonVariants({ variant: "secondary" })}
      href={href}
      download={name}
      onClick={(click) => {
        click.preventDefault();
        void tell(take());
      }}
    >
      <Icon name="download" size={14} />
      {children}
    </a>
  );
}
