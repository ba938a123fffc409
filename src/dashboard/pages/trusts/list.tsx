import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
import { useKeyNames } from "../../data/key_names.ts";
import { queries, useAct, useList } from "../../data/queries.ts";
import { Snippet } from "../../ui/copy.tsx";
import { Confirm, Modal } from "../../ui/dialog.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { Card, Facts } from "../../ui/page.tsx";
import { ReceiptView } from "../../ui/receipt.tsx";
import { Empty } from "../../ui/states.tsx";
import { Chip } from "../../ui/status.tsx";
import { exact, When } from "../../ui/time.tsx";
import { policyInWords } from "../../ui/words.ts";
import { platformOf } from "./recipes.ts";

export type Trust = Answer<"GET /trusts">["items"][number];

/** Machines that prove who they are: a CI job or a pod shows its own token and gets one of fifteen minutes, so nothing is stored there. */
export function Trusts(): ReactNode {
  const trusts = useList("GET /trusts", {});
  const [asked, setAsked] = useState<{ to: "open" | "delete"; of: Trust }>();
  const close = () => setAsked(undefined);
  const columns: readonly Column<Trust>[] = [
    {
      head: "Machine",
      cell: (of) => (
        <div className="main-cell">
          <button type="button" className="name" onClick={() => setAsked({ to: "open", of })}>
            {of.name}
          </button>
          <small>{hostOf(of.issuer)}</small>
        </div>
      ),
    },
    { head: "Whose tokens", wide: true, cell: ({ claims }) => <Claims of={claims} /> },
    { head: "Let in", kind: "number", wide: true, cell: ({ uses }) => uses.toLocaleString() },
    { head: "Last", wide: true, cell: ({ last_used_at }) => <When at={last_used_at} /> },
    {
      head: "Actions",
      kind: "actions",
      cell: (of) => (
        <Button size="sm" variant="secondary-destructive" onClick={() => setAsked({ to: "delete", of })}>
          Delete
        </Button>
      ),
    },
  ];
  return (
    <Card
      flush
      id="trusts"
      title="CI jobs and pods"
      lead="They prove who they are by their platform's own token and get one of fifteen minutes: no secret is stored there."
      actions={
        <LinkButton href="/devices/trusts/new" size="sm">
          Let a machine in
        </LinkButton>
      }
    >
      <List
        label="Machine identities"
        of={trusts}
        columns={columns}
        id={({ id }) => id}
        lines={2}
        empty={
          <Empty icon="machine" title="No machine is let in">
            GitHub Actions, GitLab, Kubernetes, or whatever else has an OpenID issuer.
          </Empty>
        }
      />
      {asked?.to === "open" ? <Opened of={asked.of} onClose={close} /> : null}
      <Remove of={asked?.to === "delete" ? asked.of : undefined} onClose={close} />
    </Card>
  );
}

function Claims({ of }: { of: Trust["claims"] }): ReactNode {
  return (
    <span className="chips">
      {Object.entries(of).map(([claim, patterns]) => (
        <Chip key={claim} mono>
          {claim} = {patterns.join(" or ")}
        </Chip>
      ))}
    </span>
  );
}

function Opened({ of, onClose }: { of: Trust; onClose: () => void }): ReactNode {
  const names = useKeyNames();
  return (
    <Modal title={of.name} lead={policyInWords(of.policy, names)} open onClose={onClose} size="lg">
      <div className="stack">
        <Facts
          of={[
            ["Issuer", of.issuer],
            ["Each token", of.single_use ? "taken once" : "taken until it expires"],
            ["Keys of the issuer", of.keys_given ? "given here" : "asked of it"],
            ["Since", exact(of.created_at)],
            of.audience !== of.address && ["Made out to", of.audience],
          ]}
        />
        <Claims of={of.claims} />
        <h3>In the job</h3>
        <Snippet label="How a job gets its token" text={platformOf(of.issuer).job(of.address, location.origin)} />
      </div>
    </Modal>
  );
}

function Remove({ of, onClose }: { of: Trust | undefined; onClose: () => void }): ReactNode {
  const remove = useAct("DELETE /trusts/{id}", { keep: true });
  return (
    <Confirm
      title={`Let ${of?.name ?? ""} in no more`}
      lead="Its jobs get no token any more, those that they hold end, and what any of them has open is cut."
      verb="Delete"
      open={of !== undefined}
      onClose={() => {
        onClose();
        if (remove.isSuccess) void queries.invalidateQueries();
      }}
      act={() => remove.mutateAsync({ params: { id: of?.id ?? "" } })}
      receipt={(receipt) => <ReceiptView of={receipt} done="Ended" />}
    />
  );
}

function hostOf(issuer: string): string {
  return URL.parse(issuer)?.host ?? issuer;
}
