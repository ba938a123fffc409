import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { Answer, Given } from "../../data/api.ts";
import { now } from "../../data/clock.ts";
import { useKeyNames } from "../../data/key_names.ts";
import { queries, useAct, useList } from "../../data/queries.ts";
import { Snippet } from "../../ui/copy.tsx";
import { Confirm } from "../../ui/dialog.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { RowMenu } from "../../ui/menu.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { ReceiptView } from "../../ui/receipt.tsx";
import { Empty } from "../../ui/states.tsx";
import { Life, Status } from "../../ui/status.tsx";
import { When } from "../../ui/time.tsx";
import { askInWords, reachInWords, signInATerminal } from "../../ui/words.ts";
import { useTold } from "../../ui/told.ts";
import { Trusts } from "../trusts/list.tsx";
import { RenameModal } from "./rename.tsx";
import { Sessions } from "./sessions.tsx";

export type Device = Answer<"GET /devices">["items"][number];
type AskFirst = NonNullable<Given<"PATCH /devices/{id}">["body"]["ask"]>;
const CHANGES: AskFirst = { methods: ["POST", "PUT", "PATCH", "DELETE"] };

/** Computers and browsers that can manage this locker. */
export function Devices(): ReactNode {
  return (
    <Page title="Devices" lead="Computers, browsers and machines that are let in. What you revoke is out at once.">
      <DeviceList />
      <Sessions />
      <Trusts />
    </Page>
  );
}

function DeviceList(): ReactNode {
  const devices = useList("GET /devices", {});
  const names = useKeyNames();
  const [asked, setAsked] = useState<{ to: "rename" | "revoke"; of: Device }>();
  const close = () => setAsked(undefined);
  const columns: readonly Column<Device>[] = [
    {
      head: "Device",
      cell: ({ id, name, platform, keys, ask }) => (
        <div className="main-cell">
          <Link href={`/activity?device=${id}`}>{name}</Link>
          <small>{[platform, `uses ${reachInWords(keys, names)}`, ...askInWords({ ask })].join(" · ")}</small>
        </div>
      ),
    },
    { head: "Status", cell: (device) => <Life {...device} /> },
    { head: "May see secrets", wide: true, cell: ({ reveal_until }) => <Unlocked until={reveal_until} /> },
    { head: "Last seen", wide: true, cell: ({ seen_at }) => <When at={seen_at} /> },
    { head: "Uses", kind: "number", wide: true, cell: ({ uses }) => uses.toLocaleString() },
    {
      head: "Actions",
      kind: "actions",
      cell: (device) =>
        device.revoked_at === undefined ? <Menu of={device} ask={(to) => setAsked({ to, of: device })} /> : null,
    },
  ];
  return (
    <Card flush title="Devices" lead="Computers that are signed in with the command line.">
      <List
        label="Devices"
        of={devices}
        columns={columns}
        id={({ id }) => id}
        dim={({ revoked_at }) => revoked_at !== undefined}
        lines={3}
        empty={
          <Empty
            icon="device"
            title="No device is signed in"
            action={<Snippet text={signInATerminal()} label="Commands to sign a device in" />}
          >
            The command line runs your programs with what they need and no secret in any file.
          </Empty>
        }
      />
      {asked?.to === "rename" ? <Rename of={asked.of} onClose={close} /> : null}
      <Revoke of={asked?.to === "revoke" ? asked.of : undefined} onClose={close} />
    </Card>
  );
}

function Unlocked({ until }: { until: string | undefined }): ReactNode {
  if (until === undefined || Date.parse(until) <= now()) return <span className="muted">no</span>;
  return (
    <Status tone="warn">
      until <When at={until} />
    </Status>
  );
}

function Menu({ of, ask }: { of: Device; ask: (to: "rename" | "revoke") => void }): ReactNode {
  const change = useAct("PATCH /devices/{id}");
  const tell = useTold();
  const lock = () =>
    void tell(
      change.mutateAsync({ params: { id: of.id }, body: { reveal: "none" } }),
      `${of.name} is shown no more secrets`,
    );
  const askFirst = (rule: AskFirst, told: string) =>
    void tell(change.mutateAsync({ params: { id: of.id }, body: { ask: rule } }), told);
  return (
    <RowMenu
      name={of.name}
      actions={[
        { label: "Rename…", act: () => ask("rename") },
        ...(of.ask === undefined
          ? [
              {
                label: "Ask me before it changes anything",
                act: () => askFirst(CHANGES, `${of.name} needs your yes before it changes anything`),
              },
            ]
          : []),
        ...(of.ask === undefined || of.ask.methods !== undefined || of.ask.paths !== undefined
          ? [
              {
                label: "Ask me before every call",
                act: () => askFirst({}, `${of.name} needs your yes before every call`),
              },
            ]
          : []),
        ...(of.reveal_until === undefined ? [] : [{ label: "Show no more secrets", act: lock }]),
        { label: "Revoke…", act: () => ask("revoke"), grave: true },
      ]}
    />
  );
}

function Rename({ of, onClose }: { of: Device; onClose: () => void }): ReactNode {
  const change = useAct("PATCH /devices/{id}", {
    shows: ({ params: { id }, body: { name } }) => ({ id, shown: { name } }),
    turn: of.id,
  });
  const rename = (name: string) => change.mutateAsync({ params: { id: of.id }, body: { name } });
  return <RenameModal title="Rename the device" name={of.name} rename={rename} onClose={onClose} />;
}

function Revoke({ of, onClose }: { of: Device | undefined; onClose: () => void }): ReactNode {
  const revoke = useAct("DELETE /devices/{id}", { keep: true });
  return (
    <Confirm
      title={`Revoke ${of?.name ?? ""}`}
      lead="It is signed out, every token that it made ends with it, and what any of them has open is cut."
      verb="Revoke"
      open={of !== undefined}
      onClose={() => {
        onClose();
        if (revoke.isSuccess) void queries.invalidateQueries();
      }}
      act={() => revoke.mutateAsync({ params: { id: of?.id ?? "" } })}
      receipt={(receipt) => <ReceiptView of={receipt} />}
    />
  );
}
