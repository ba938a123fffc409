import { buttonVariants } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { Link } from "wouter";

type LinkButtonProps = {
  href: string;
  children: ReactNode;
  icon?: ReactNode;
  variant?: "primary" | "secondary" | "ghost";
  size?: "sm" | "base";
};

/** A way to another page that looks like Kumo's button, and goes there without loading the app anew. */
export function LinkButton({ href, children, icon, variant = "secondary", size = "base" }: LinkButtonProps): ReactNode {
  return (
    <Link href={href} className={`${buttonVariants({ variant, size })} link-button ${variant}`}>
      {icon}
      {children}
    </Link>
  );
}
