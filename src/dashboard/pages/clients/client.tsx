import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { useKeyNames } from "../../data/key_names.ts";
import { queries, useAct, useAnswer } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { Confirm } from "../../ui/dialog.tsx";
import { Card, Facts, Page } from "../../ui/page.tsx";
import { PageOf } from "../../ui/page_of.tsx";
import { usePause } from "../../ui/pause.ts";
import { ReceiptView } from "../../ui/receipt.tsx";
import { Chip, Life } from "../../ui/status.tsx";
import { exact, When } from "../../ui/time.tsx";
import { askInWords, reachInWords } from "../../ui/words.ts";
import { RecentActivity } from "../activity/recent.tsx";
import type { Client } from "./list.tsx";
import { Narrow } from "./narrow.tsx";
import { MEANING } from "./scopes.ts";

const REGISTRATIONS: Record<Client["registration"], string> = {
  document: "described at the address of its client id, which nobody has verified",
  registered: "registered itself; anybody can use any name",
  first_party: "one of our own programs",
};

/** One connected client: who it says it is, what it may do, what it did. */
export function ClientPage({ id }: { id: string }): ReactNode {
  const grant = useAnswer("GET /grants/{id}", { params: { id } });
  return (
    <PageOf title="Client" of={grant}>
      {(found) => <Opened of={found} />}
    </PageOf>
  );
}

function Opened({ of }: { of: Client }): ReactNode {
  const [open, setOpen] = useState<"narrow" | "revoke">();
  const names = useKeyNames();
  const pause = usePause("client", { ...of, name: of.client_name });
  const close = () => setOpen(undefined);
  return (
    <Page
      title={of.client_name}
      lead={<Life {...of} />}
      actions={
        of.revoked_at === undefined ? (
          <>
            <Button icon={<Icon name="edit" size={14} />} onClick={() => setOpen("narrow")}>
              Narrow
            </Button>
            <Button icon={<Icon name={of.paused ? "play" : "pause"} size={14} />} onClick={pause}>
              {of.paused ? "Resume" : "Pause"}
            </Button>
            <Button variant="secondary-destructive" onClick={() => setOpen("revoke")}>
              Disconnect
            </Button>
          </>
        ) : null
      }
    >
      <div className="columns main-aside">
        <div className="stack">
          <Card title="What it may do">
            <ul className="stack tight">
              {of.scopes.map((scope) => (
                <li key={scope} className="with-icon">
                  <span className={scope === "vault:reveal" ? "warn" : "good"}>
                    <Icon name="check" />
                  </span>
                  {MEANING[scope]}
                </li>
              ))}
            </ul>
            <p>
              With <strong>{reachInWords(of.keys, names)}</strong>
              {of.expires_at === undefined ? "" : `, until ${exact(of.expires_at)}`}. {askInWords(of)}
            </p>
            <Facts
              of={[
                ["Uses", of.uses.toLocaleString()],
                ["Refused", of.refused.toLocaleString()],
                ["Last used", <When key="used" at={of.last_used_at} />],
                ["Open MCP sessions", of.live_sessions.toLocaleString()],
                ["Tokens renewed", `${of.rotations.toLocaleString()} times`],
                ["Let in", exact(of.authorized_at)],
                of.revoked_at !== undefined && ["Disconnected", exact(of.revoked_at)],
              ]}
            />
          </Card>
          <RecentActivity filter={{ grant: of.id }} empty="It has done nothing yet." />
        </div>
        <Card title="Who it says it is">
          <Facts
            of={[
              ["Known as", REGISTRATIONS[of.registration]],
              ["Client id", <code key="client">{of.client_id}</code>],
              [
                "Answers go to",
                <span key="hosts" className="chips">
                  {of.redirect_hosts.map((host) => (
                    <Chip key={host} mono>
                      {host}
                    </Chip>
                  ))}
                </span>,
              ],
              // An address that a client chose is shown, never followed for it.
              of.homepage !== undefined && ["Homepage", of.homepage],
              ["Id", <code key="id">{of.id}</code>],
            ]}
          />
        </Card>
      </div>
      <Narrow of={of} open={open === "narrow"} onClose={close} />
      <Disconnect of={of} open={open === "revoke"} onClose={close} />
    </Page>
  );
}

function Disconnect({ of, open, onClose }: { of: Client; open: boolean; onClose: () => void }): ReactNode {
  const revoke = useAct("DELETE /grants/{id}", { keep: true });
  return (
    <Confirm
      title={`Disconnect ${of.client_name}`}
      lead="Its tokens end, its sessions close and what it has open is cut, at once. It has to ask you again."
      verb="Disconnect"
      open={open}
      onClose={() => {
        onClose();
        if (revoke.isSuccess) void queries.invalidateQueries();
      }}
      act={() => revoke.mutateAsync({ params: { id: of.id } })}
      receipt={(receipt) => <ReceiptView of={receipt} done="Disconnected" />}
    />
  );
}
