import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { Refused, type Answer } from "../../data/api.ts";
import { placementInWords, useProviders } from "../../data/providers.ts";
import { useAnswer } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { usePause } from "../../ui/pause.ts";
import { Card, Facts, Page } from "../../ui/page.tsx";
import { PageOf } from "../../ui/page_of.tsx";
import { Chip, Life, Status } from "../../ui/status.tsx";
import { exact, When } from "../../ui/time.tsx";
import { RecentActivity } from "../activity/recent.tsx";
import { Connection } from "./connection.tsx";
import { DeleteKey } from "./delete.tsx";
import { EditKey } from "./edit.tsx";
import { Spend } from "../tokens/spend.tsx";
import { Reveal } from "./reveal.tsx";
import { RotateKey } from "./rotate.tsx";
import { TestCall } from "./test.tsx";
import { Versions } from "./versions.tsx";

export type KeyDetails = Answer<"GET /keys/{key}">;

/** One key: what it is, what it did, and everything that can be done with it. */
export function KeyPage({ id }: { id: string }): ReactNode {
  const key = useAnswer("GET /keys/{key}", { params: { key: id } });
  return (
    <PageOf title="Key" of={key}>
      {(found) => <Opened of={found} gone={key.error instanceof Refused && key.error.status === 404} />}
    </PageOf>
  );
}

/** `gone`: somebody deleted it while it was looked at. What it did is still to be seen, and nothing to be done with it. */
function Opened({ of, gone }: { of: KeyDetails; gone: boolean }): ReactNode {
  const { id, name, paused, tags, note, connection } = of;
  const [, go] = useLocation();
  const [open, setOpen] = useState<"edit" | "rotate" | "reveal" | "delete">();
  const close = () => setOpen(undefined);
  const toggle = usePause("key", of);
  return (
    <Page
      title={name}
      lead={
        <span className="row">
          {gone ? <Status tone="quiet">Deleted</Status> : <Life {...of} />}
          {connection === "not_connected" || connection === "reconnect_required" ? <Chip>not connected</Chip> : null}
          {tags.map((tag) => (
            <Link key={tag} href={`/keys?tag=${encodeURIComponent(tag)}`}>
              <Chip>{tag}</Chip>
            </Link>
          ))}
        </span>
      }
      actions={
        gone ? undefined : (
          <>
            <LinkButton href={`/tokens/new?key=${encodeURIComponent(name)}`} variant="primary">
              Create a token
            </LinkButton>
            <Button icon={<Icon name={paused ? "play" : "pause"} size={14} />} onClick={toggle}>
              {paused ? "Resume" : "Pause"}
            </Button>
            <Button icon={<Icon name="rotate" size={14} />} onClick={() => setOpen("rotate")}>
              Rotate
            </Button>
            <Button icon={<Icon name="eye" size={14} />} onClick={() => setOpen("reveal")}>
              Reveal
            </Button>
            <Button icon={<Icon name="edit" size={14} />} onClick={() => setOpen("edit")}>
              Edit
            </Button>
            <Button
              variant="secondary-destructive"
              icon={<Icon name="trash" size={14} />}
              onClick={() => setOpen("delete")}
            >
              Delete
            </Button>
          </>
        )
      }
    >
      <div className="columns main-aside">
        <div className="stack">
          <About of={of} />
          <RecentActivity filter={{ key: id }} empty="No call has used this key yet." />
        </div>
        <div className="stack">
          {gone ? null : (
            <>
              <Card title="Test" lead="One harmless call with this key, on record like any other.">
                <TestCall of={of} />
              </Card>
              <Connection of={of} />
              <Versions of={of} />
            </>
          )}
          <Spend of={{ key: id }} quiet />
          {note === undefined ? null : (
            <Card title="Note">
              <p className="pre-line">{note}</p>
            </Card>
          )}
        </div>
      </div>
      <EditKey of={of} open={open === "edit"} onClose={close} />
      <RotateKey of={of} open={open === "rotate"} onClose={close} />
      <Reveal of={of} open={open === "reveal"} onClose={close} />
      <DeleteKey of={of} open={open === "delete"} onClose={close} onDone={() => go("/keys")} />
    </Page>
  );
}

function About({ of }: { of: KeyDetails }): ReactNode {
  const providers = useProviders();
  const provider = providers.data?.find(({ id }) => id === of.provider);
  return (
    <Card title="Where it goes">
      <p className="destination">{of.base_url}</p>
      <Facts
        of={[
          ["Provider", provider?.name ?? of.provider],
          ["Sent as", <code key="as">{placementInWords(of.placement)}</code>],
          ["Uses", of.uses.toLocaleString()],
          ["Last used", <When key="used" at={of.last_used_at} />],
          ["Stored", <When key="stored" at={of.created_at} />],
          ["Expires", of.expires_at === undefined ? "never" : exact(of.expires_at)],
          ["Devices may see it", of.revealable ? "with an elevation" : "no"],
          ["Removed from answers", of.scrub ? "every answer" : "errors and headers"],
          Object.keys(of.headers).length > 0 && [
            "Fixed headers",
            <span key="headers" className="chips">
              {Object.entries(of.headers).map(([header, value]) => (
                <Chip key={header} mono>
                  {header}: {value}
                </Chip>
              ))}
            </span>,
          ],
          of.former_names.length > 0 && [
            "Former names",
            <span key="former" className="chips">
              {of.former_names.map((former) => (
                <Chip key={former}>{former}</Chip>
              ))}
            </span>,
          ],
          ["Id", <code key="id">{of.id}</code>],
        ]}
      />
    </Card>
  );
}
