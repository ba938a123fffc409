import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { Icon, type IconName } from "../shell/icons.tsx";

/** Lines in the place of what is on its way, as tall as it will be. */
export function Loading({ lines = 4 }: { lines?: number }): ReactNode {
  return (
    <div className="loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} className="bone" />
      ))}
    </div>
  );
}

/** What went wrong, in the API's words, and a way on. */
export function Failed({ error, retry }: { error: Error; retry?: () => void }): ReactNode {
  return (
    <div className="failed" role="alert">
      <Icon name="alert" size={18} />
      <p>{error.message}</p>
      {retry === undefined ? null : (
        <Button size="sm" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

type EmptyProps = { icon: IconName; title: string; children?: ReactNode; action?: ReactNode };

/** Nothing here yet: why, and how to begin. */
export function Empty({ icon, title, children, action }: EmptyProps): ReactNode {
  return (
    <div className="empty">
      <span className="empty-icon">
        <Icon name={icon} size={22} />
      </span>
      <h3>{title}</h3>
      {children === undefined ? null : <p>{children}</p>}
      {action}
    </div>
  );
}

export type Asked<T> = { data: T | undefined; error: Error | null; refetch: () => unknown };
type AnsweredProps<T> = { of: Asked<T>; lines?: number; children: (data: T) => ReactNode };

/** What a query answered; until then, that it is loading; else what went wrong. */
export function Answered<T>({ of, lines, children }: AnsweredProps<T>): ReactNode {
  if (of.data !== undefined) return children(of.data);
  if (of.error !== null) return <Failed error={of.error} retry={() => void of.refetch()} />;
  return <Loading lines={lines} />;
}
