import { Button } from "@cloudflare/kumo/components/button";
import { Input } from "../../ui/input.tsx";
import { useState, type ReactNode } from "react";
import { signedInRecently, useMe } from "../../data/me.ts";
import { useAct, useList } from "../../data/queries.ts";
import { Copy } from "../../ui/copy.tsx";
import { Confirm, Modal } from "../../ui/dialog.tsx";
import { faultOf, FormFault, useForm } from "../../ui/form.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { RowMenu } from "../../ui/menu.tsx";
import { Card } from "../../ui/page.tsx";
import { RecentSignIn } from "../../ui/recent_sign_in.tsx";
import { Empty } from "../../ui/states.tsx";
import { Status, type Tone } from "../../ui/status.tsx";
import { When } from "../../ui/time.tsx";
import { Deliveries } from "./deliveries.tsx";
import { EVENTS, type Event, type Webhook } from "./events.ts";

const STATES: Record<Webhook["state"], readonly [Tone, string]> = {
  live: ["good", "Live"],
  failing: ["warn", "Failing"],
  dead: ["bad", "Given up"],
};

/** Where its owner is told without looking: signed messages to addresses of theirs. */
export function Webhooks(): ReactNode {
  const webhooks = useList("GET /webhooks", {});
  const recent = signedInRecently(useMe());
  const [asked, setAsked] = useState<{ to: "add" } | { to: "deliveries" | "test" | "delete"; of: Webhook }>();
  const close = () => setAsked(undefined);
  const columns: readonly Column<Webhook>[] = [
    {
      head: "Address",
      cell: (of) => (
        <div className="main-cell">
          <button type="button" className="name" onClick={() => setAsked({ to: "deliveries", of })}>
            {of.url}
          </button>
          <small>{of.events?.join(", ") ?? "every event"}</small>
        </div>
      ),
    },
    {
      head: "State",
      cell: ({ state, waiting }) => (
        <Status tone={STATES[state][0]}>
          {STATES[state][1]}
          {waiting === 0 ? "" : `, ${waiting} waiting`}
        </Status>
      ),
    },
    {
      head: "Last answer",
      wide: true,
      cell: ({ last_at, last_status }) => (
        <>
          {last_at === undefined ? "" : `${last_status ?? "none"}, `}
          <When at={last_at} />
        </>
      ),
    },
    {
      head: "Actions",
      kind: "actions",
      cell: (of) => (
        <RowMenu
          name={of.url}
          actions={[
            { label: "Deliveries", act: () => setAsked({ to: "deliveries", of }) },
            { label: "Send a test…", act: () => setAsked({ to: "test", of }) },
            ...(recent ? [{ label: "Delete…", act: () => setAsked({ to: "delete", of }), grave: true }] : []),
          ]}
        />
      ),
    },
  ];
  return (
    <Card
      flush
      title="Webhooks"
      lead="Signed by Standard Webhooks, tried again for a day, never to a private address."
      actions={
        <Button size="sm" disabled={!recent} onClick={() => setAsked({ to: "add" })}>
          Add a webhook
        </Button>
      }
    >
      {recent ? null : (
        <div className="pad">
          <RecentSignIn what="add or delete webhooks" />
        </div>
      )}
      <List
        label="Webhooks"
        of={webhooks}
        columns={columns}
        id={({ id }) => id}
        lines={2}
        empty={
          <Empty icon="hook" title="No webhook">
            Have alerts and revocations sent to a chat, a pager or a program of yours.
          </Empty>
        }
      />
      {asked?.to === "add" ? <Add onClose={close} /> : null}
      {asked?.to === "deliveries" ? <Deliveries of={asked.of} onClose={close} /> : null}
      {asked?.to === "test" ? <Test of={asked.of} onClose={close} /> : null}
      <Remove of={asked?.to === "delete" ? asked.of : undefined} onClose={close} />
    </Card>
  );
}

function Add({ onClose }: { onClose: () => void }): ReactNode {
  const create = useAct("POST /webhooks");
  const [secret, setSecret] = useState<string>();
  const { busy, error, submit } = useForm(async (typed) => {
    const events = typed.all("event") as Event[];
    const created = await create.mutateAsync({
      body: { url: typed.text("url"), events: events.length === Object.keys(EVENTS).length ? undefined : events },
    });
    setSecret(created.secret);
  });
  return (
    <Modal title={secret === undefined ? "Add a webhook" : "Its signing secret"} open onClose={onClose}>
      {secret === undefined ? (
        <form className="stack" onSubmit={submit}>
          <Input name="url" label="Address" type="url" placeholder="https://" required error={faultOf(error, "url")} />
          <fieldset className="group">
            <legend>Told when</legend>
            {(Object.entries(EVENTS) as [Event, string][]).map(([event, words]) => (
              <label key={event} className="tick">
                <input type="checkbox" name="event" value={event} defaultChecked />
                <span>{words}</span>
              </label>
            ))}
          </fieldset>
          <FormFault error={error} fields={["url"]} />
          <div className="modal-foot">
            <Button type="submit" variant="primary" loading={busy}>
              Add
            </Button>
          </div>
        </form>
      ) : (
        <div className="stack">
          <p className="lead">Copy it now: it is shown this once. Your program checks every message with it.</p>
          <div className="secret">
            <code>{secret}</code>
            <Copy text={secret} />
          </div>
          <div className="modal-foot">
            <Button variant="primary" onClick={onClose}>
              Done
            </Button>
          </div>
        </div>
      )}
    </Modal>
  );
}

function Test({ of, onClose }: { of: Webhook; onClose: () => void }): ReactNode {
  const test = useAct("POST /webhooks/{id}/test");
  const { data, error, isPending } = test;
  return (
    <Modal title="Send a test message" lead={of.url} open onClose={onClose} size="sm">
      {data === undefined ? null : (
        <p className={data.taken ? "note good" : "note bad"} role="status">
          {data.detail} {data.status} in {data.latency_ms} ms
        </p>
      )}
      {error === null ? null : (
        <p className="problem" role="alert">
          {error.message}
        </p>
      )}
      <div className="modal-foot">
        <Button variant="primary" loading={isPending} onClick={() => test.mutate({ params: { id: of.id } })}>
          {data === undefined ? "Send" : "Send again"}
        </Button>
      </div>
    </Modal>
  );
}

function Remove({ of, onClose }: { of: Webhook | undefined; onClose: () => void }): ReactNode {
  const remove = useAct("DELETE /webhooks/{id}");
  return (
    <Confirm
      title="Delete the webhook"
      lead={`Nothing more is sent to ${of?.url ?? ""}, what is waiting is dropped.`}
      verb="Delete"
      open={of !== undefined}
      onClose={onClose}
      act={() => remove.mutateAsync({ params: { id: of?.id ?? "" } })}
    />
  );
}
