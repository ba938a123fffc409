import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { Answer } from "../../data/api.ts";
import { queries, useAct, useList } from "../../data/queries.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { RowMenu } from "../../ui/menu.tsx";
import { Card } from "../../ui/page.tsx";
import { ReceiptView } from "../../ui/receipt.tsx";
import { Empty } from "../../ui/states.tsx";
import { When } from "../../ui/time.tsx";
import { RenameModal } from "./rename.tsx";

type Session = Answer<"GET /sessions">["items"][number];

/** Browsers that are signed in. */
export function Sessions(): ReactNode {
  const sessions = useList("GET /sessions", {});
  const [ending, setEnding] = useState<Session>();
  const [renaming, setRenaming] = useState<Session>();
  const revoke = useAct("DELETE /sessions/{id}", { keep: true });
  const columns: readonly Column<Session>[] = [
    {
      head: "Session",
      cell: ({ id, name, current }) => (
        <div className="main-cell">
          <Link href={`/activity?token=${id}`}>{name}</Link>
          <small>{current ? "this browser" : "where from, and what it did"}</small>
        </div>
      ),
    },
    { head: "Signed in", cell: ({ signed_in_at }) => <When at={signed_in_at} /> },
    { head: "Last seen", wide: true, cell: ({ seen_at }) => <When at={seen_at} /> },
    { head: "Ends", wide: true, cell: ({ expires_at }) => <When at={expires_at} /> },
    {
      head: "Actions",
      kind: "actions",
      cell: (session) => (
        <RowMenu
          name={session.name}
          actions={[
            { label: "Rename…", act: () => setRenaming(session) },
            ...(session.current ? [] : [{ label: "Sign out…", act: () => setEnding(session), grave: true }]),
          ]}
        />
      ),
    },
  ];
  return (
    <Card flush title="Signed-in browsers" actions={<Everywhere />}>
      <List
        label="Sessions"
        of={sessions}
        columns={columns}
        id={({ id }) => id}
        lines={2}
        empty={<Empty icon="device" title="No sessions" />}
      />
      <Confirm
        title="Sign this browser out"
        lead={`${ending?.name ?? ""} has to sign in again. It is out at once.`}
        verb="Sign out"
        open={ending !== undefined}
        onClose={() => {
          setEnding(undefined);
          if (revoke.isSuccess) void queries.invalidateQueries();
        }}
        act={() => revoke.mutateAsync({ params: { id: ending?.id ?? "" } })}
        receipt={(receipt) => <ReceiptView of={receipt} done="Signed out" />}
      />
      {renaming === undefined ? null : <Rename of={renaming} onClose={() => setRenaming(undefined)} />}
    </Card>
  );
}

function Rename({ of, onClose }: { of: Session; onClose: () => void }): ReactNode {
  const change = useAct("PATCH /sessions/{id}");
  const rename = (name: string) => change.mutateAsync({ params: { id: of.id }, body: { name } });
  return <RenameModal title="Rename the browser" name={of.name} rename={rename} onClose={onClose} />;
}

/** Ends every session, this one too. */
function Everywhere(): ReactNode {
  const [asked, setAsked] = useState(false);
  const revoke = useAct("DELETE /sessions", { keep: true });
  return (
    <>
      <Button size="sm" onClick={() => setAsked(true)}>
        Sign out everywhere
      </Button>
      <Confirm
        title="Sign out everywhere"
        lead="Every browser has to sign in again, this one too. Devices, tokens and clients go on."
        verb="Sign out everywhere"
        open={asked}
        onClose={() => {
          setAsked(false);
          if (revoke.isSuccess) location.assign("/");
        }}
        act={() => revoke.mutateAsync({})}
        receipt={(receipt) => <ReceiptView of={receipt} done="Signed out" />}
      />
    </>
  );
}
