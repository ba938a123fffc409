import { useEffect, type ReactNode } from "react";

type PageProps = { title: string; lead?: ReactNode; actions?: ReactNode; children: ReactNode };

/** A page: what it is called, what it is for, what can be done, and the rest. */
export function Page({ title, lead, actions, children }: PageProps): ReactNode {
  useEffect(() => {
    document.title = `${title} · API Locker`;
  }, [title]);
  useEffect(() => {
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }, []);
  return (
    <>
      <header className="page-head">
        <div className="page-title">
          <h1>{title}</h1>
          {lead === undefined ? null : <p className="lead">{lead}</p>}
        </div>
        {actions === undefined ? null : <div className="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

type CardProps = {
  title?: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  /** Rows reach the card's edges. */
  flush?: boolean;
  /** It stays in sight while what is beside it scrolls. */
  sticky?: boolean;
  id?: string;
};

/** What belongs together. */
export function Card({ title, lead, actions, children, flush = false, sticky = false, id }: CardProps): ReactNode {
  return (
    <section className={`card ${flush ? "flush" : ""} ${sticky ? "sticky" : ""}`} id={id}>
      {title === undefined ? null : (
        <header className="card-head">
          <div>
            <h2>{title}</h2>
            {lead === undefined ? null : <p className="lead">{lead}</p>}
          </div>
          {actions === undefined ? null : <div className="actions">{actions}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

/** Names and what they stand for. */
export function Facts({ of }: { of: readonly (readonly [string, ReactNode] | false)[] }): ReactNode {
  return (
    <dl className="facts">
      {of.map((fact) =>
        fact === false ? null : (
          <div key={fact[0]}>
            <dt>{fact[0]}</dt>
            <dd>{fact[1]}</dd>
          </div>
        ),
      )}
    </dl>
  );
}
