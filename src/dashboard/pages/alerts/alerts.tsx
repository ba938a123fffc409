import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { Link, useSearchParams } from "wouter";
import { isOpen, type Alert } from "../../data/alerts.ts";
import { useAct, useList } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { Choice } from "../../ui/choice.tsx";
import { Card, Facts, Page } from "../../ui/page.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { Status } from "../../ui/status.tsx";
import { exact, When } from "../../ui/time.tsx";
import { useTold } from "../../ui/told.ts";
import { AlertRules } from "./rules.tsx";
import { Webhooks } from "./webhooks.tsx";

type State = "open" | "acknowledged";

/** What its owner should know, and what is done about it unasked. */
export function Alerts(): ReactNode {
  const [search, setSearch] = useSearchParams();
  const state: State = search.get("state") === "acknowledged" ? "acknowledged" : "open";
  const listed = useList("GET /alerts", { query: { state } });
  const alerts = { ...listed, items: state === "open" ? listed.items?.filter(isOpen) : listed.items };
  return (
    <Page
      title="Alerts"
      lead="What looks like somebody else's doing. One alert stays open until you have seen it, however often it happens."
    >
      <Card
        flush
        title={state === "open" ? "Open" : "Seen"}
        actions={
          <Choice<State>
            label="State"
            hideLabel
            value={state}
            onChange={(next) => setSearch(next === "open" ? {} : { state: next }, { replace: true })}
            options={[
              ["open", "Open"],
              ["acknowledged", "Seen"],
            ]}
          />
        }
      >
        {alerts.items === undefined ? (
          alerts.error === null ? (
            <Loading lines={4} />
          ) : (
            <Failed error={alerts.error} retry={() => void alerts.refetch()} />
          )
        ) : alerts.items.length === 0 ? (
          <Empty icon="shield" title={state === "open" ? "Nothing needs your attention" : "Nothing was seen yet"} />
        ) : (
          <ul className="lines" aria-label="Alerts">
            {alerts.items.map((alert) => (
              <AlertLine key={alert.id} of={alert} />
            ))}
          </ul>
        )}
        {alerts.hasNextPage ? (
          <div className="more">
            <Button loading={alerts.isFetchingNextPage} onClick={() => void alerts.fetchNextPage()}>
              Show more
            </Button>
          </div>
        ) : null}
      </Card>
      <Webhooks />
      <AlertRules />
    </Page>
  );
}

function AlertLine({ of }: { of: Alert }): ReactNode {
  const [open, setOpen] = useState(false);
  const acknowledge = useAct("POST /alerts/{id}/acknowledge", {
    shows: ({ params: { id } }) => ({ id, shown: { acknowledged_at: new Date().toISOString() } }),
  });
  const tell = useTold();
  const place = placeOf(of.subject);
  return (
    <li className="alert-line">
      <span className="bad">
        <Icon name="alert" size={18} />
      </span>
      <div className="stack tight">
        <p>
          <strong>{of.title}</strong> {of.count > 1 ? <span className="muted">× {of.count}</span> : null}{" "}
          {of.froze === undefined ? null : (
            <Status tone="ice">{of.froze === "vault" ? "Everything was frozen" : "It was paused"}</Status>
          )}
        </p>
        <p>{of.detail}</p>
        <p className="muted">
          {of.fix} <When at={of.last_at} />
        </p>
        {open ? (
          <Facts
            of={[
              ["First", exact(of.first_at)],
              ["Last", exact(of.last_at)],
              ...Object.entries(of.facts).map(([name, fact]) => [name.replaceAll("_", " "), String(fact)] as const),
            ]}
          />
        ) : null}
        <div className="row">
          {of.acknowledged_at === undefined ? (
            <Button size="sm" onClick={() => void tell(acknowledge.mutateAsync({ params: { id: of.id } }), "Seen")}>
              I have seen it
            </Button>
          ) : null}
          <Button size="sm" variant="ghost" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Less" : "Facts"}
          </Button>
          {place === undefined ? null : (
            <Link href={place} className="link">
              {of.name ?? "Look"}
            </Link>
          )}
        </div>
      </div>
    </li>
  );
}

const PLACES: Record<string, string> = { key: "/keys/", tok: "/tokens/", grt: "/clients/" };

/** The page of what an id names. */
function placeOf(id: string): string | undefined {
  const place = PLACES[id.slice(0, 3)];
  return place === undefined || id[3] !== "_" ? undefined : place + id;
}
