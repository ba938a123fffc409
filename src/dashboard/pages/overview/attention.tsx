import type { ReactNode } from "react";
import { Link } from "wouter";
import { isOpen } from "../../data/alerts.ts";
import { useAnswer } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Monogram } from "../../ui/monogram.tsx";
import { Card } from "../../ui/page.tsx";
import { Failed } from "../../ui/states.tsx";
import { When } from "../../ui/time.tsx";

const SHOWN = 3;

/** The alerts that are shown here. */
export const OPEN_ALERTS = { query: { state: "open", limit: SHOWN } } as const;

/** What waits for its person, before all else. */
export function Attention(): ReactNode {
  return (
    <div className="columns two attention">
      <Questions />
      <OpenAlerts />
    </div>
  );
}

/** Calls that wait for a yes. */
function Questions(): ReactNode {
  const { data, error, refetch } = useAnswer("GET /approvals", {});
  if (data === undefined && error !== null)
    return <Unknown title="Waiting for your yes" error={error} retry={refetch} />;
  const open = data?.items.filter(({ decision }) => decision === undefined) ?? [];
  if (open.length === 0) return null;
  return (
    <Card
      title="Waiting for your yes"
      actions={
        <LinkButton href="/approvals" size="sm" variant="primary">
          Answer
        </LinkButton>
      }
    >
      <ul className="lines">
        {open.slice(0, SHOWN).map(({ id, actor, method, path, key, asked_at }) => (
          <li key={id} className="finding">
            <span className="ice">
              <Icon name="approve" />
            </span>
            <span className="line-main">
              <span className="what">
                <code className="method">{method}</code>
                <code className="path">{path}</code>
              </span>
              <small>
                {actor.name} → {key.name} · <When at={asked_at} />
              </small>
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** Not to know of any is not to have none. */
function Unknown({ title, error, retry }: { title: string; error: Error; retry: () => unknown }): ReactNode {
  return (
    <Card title={title}>
      <Failed error={error} retry={() => void retry()} />
    </Card>
  );
}

/** Open alerts, if there are any. */
function OpenAlerts(): ReactNode {
  const { data, error, refetch } = useAnswer("GET /alerts", OPEN_ALERTS);
  if (data === undefined && error !== null) return <Unknown title="Open alerts" error={error} retry={refetch} />;
  const open = data?.items.filter(isOpen) ?? [];
  if (open.length === 0) return null;
  return (
    <Card
      title="Open alerts"
      actions={
        <LinkButton href="/alerts" size="sm" variant="ghost">
          All alerts
        </LinkButton>
      }
    >
      <ul className="lines">
        {open.map(({ id, title, name, last_at, count }) => (
          <li key={id} className="finding">
            <span className="bad">
              <Icon name="alert" />
            </span>
            <span className="line-main">
              <Link href="/alerts" className="strong">
                {title}
              </Link>
              <small>
                {name === undefined ? "" : `${name} · `}
                {count > 1 ? `${count} times · ` : ""}
                <When at={last_at} />
              </small>
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** Who is let in. */
export function ConnectedClients(): ReactNode {
  const { data } = useAnswer("GET /grants", { query: { limit: 50 } });
  const live = data?.items.filter(({ revoked_at }) => revoked_at === undefined) ?? [];
  if (live.length === 0) return null;
  return (
    <Card
      title="Connected clients"
      actions={
        <LinkButton href="/clients" size="sm" variant="ghost">
          All clients
        </LinkButton>
      }
    >
      <ul className="lines">
        {live.slice(0, SHOWN + 2).map(({ id, client_name, last_used_at }) => (
          <li key={id}>
            <span className="with-icon">
              <Monogram name={client_name} />
              <Link href={`/clients/${id}`} className="name">
                {client_name}
              </Link>
            </span>
            <span className="muted">
              <When at={last_used_at} none="not used yet" />
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
