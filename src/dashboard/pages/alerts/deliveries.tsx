import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
import { useAct, useList } from "../../data/queries.ts";
import { Modal } from "../../ui/dialog.tsx";
import { List } from "../../ui/list.tsx";
import { Empty } from "../../ui/states.tsx";
import { Status, type Tone } from "../../ui/status.tsx";
import { When } from "../../ui/time.tsx";
import { useTold } from "../../ui/told.ts";
import { EVENTS, type Webhook } from "./events.ts";

type Delivery = Answer<"GET /webhooks/{id}/deliveries">["items"][number];

const STATES: Record<Delivery["state"], readonly [Tone, string]> = {
  taken: ["good", "Taken"],
  waiting: ["warn", "Waiting"],
  given_up: ["bad", "Not taken"],
};
const EVERY_MS = 5_000;

/** What was sent to a webhook, and how that went. */
export function Deliveries({ of, onClose }: { of: Webhook; onClose: () => void }): ReactNode {
  const params = { id: of.id };
  const deliveries = useList("GET /webhooks/{id}/deliveries", { params, query: { limit: 20 } }, { every_ms: EVERY_MS });
  return (
    <Modal title="Deliveries" lead={of.url} open onClose={onClose} size="lg">
      <List
        label="Deliveries"
        of={deliveries}
        columns={[]}
        id={({ id }) => id}
        lines={4}
        empty={
          <Empty icon="hook" title="Nothing was sent yet">
            The last hundred messages are kept here, with what became of each.
          </Empty>
        }
        instead={(items) => (
          <ul className="lines" aria-label="Deliveries">
            {items.map((delivery) => (
              <Line key={delivery.id} of={delivery} to={of.id} />
            ))}
          </ul>
        )}
      />
    </Modal>
  );
}

function Line({ of, to }: { of: Delivery; to: string }): ReactNode {
  const { id, event, state, attempts, created_at, last_status, latency_ms, detail, next_at } = of;
  const again = useAct("POST /webhooks/{id}/deliveries/{delivery}/redeliver");
  const tell = useTold();
  const send = async () => {
    const { taken, detail, status } = await again.mutateAsync({ params: { id: to, delivery: id } });
    if (!taken) throw new Error(status === undefined ? detail : `${detail} (${status})`);
  };
  const [tone, word] = STATES[state];
  return (
    <li className="delivery">
      <span className="line-main">
        <span className="strong">
          {event === "test" ? "A test" : ((EVENTS as Record<string, string>)[event] ?? event)}
        </span>
        <small>
          <When at={created_at} />
          {` · ${attempts === 1 ? "1 attempt" : `${attempts} attempts`}`}
          {latency_ms === undefined ? null : ` · ${latency_ms} ms`}
          {state === "waiting" && next_at !== undefined && attempts > 0 ? (
            <>
              {" · again "}
              <When at={next_at} />
            </>
          ) : null}
        </small>
        {state === "taken" || detail === undefined ? null : <small className="wraps">{detail}</small>}
      </span>
      <Status tone={tone}>
        {word} {last_status}
      </Status>
      <Button size="sm" loading={again.isPending} onClick={() => void tell(send(), "It was taken")}>
        Send again
      </Button>
    </li>
  );
}
