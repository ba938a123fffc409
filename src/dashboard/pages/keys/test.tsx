import { Button } from "@cloudflare/kumo/components/button";
import { useEffect, useRef, type ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
import { useAct } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { ConnectButton } from "./connection.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card, Page } from "../../ui/page.tsx";

export type StoredKey = Pick<Answer<"POST /keys">, "id" | "name" | "connection">;

/** A key that was just stored: tried at once, and what to do with it next. */
export function TestedKey({ of: { id, name, connection } }: { of: StoredKey }): ReactNode {
  return (
    <Page title={`${name} is stored`} lead="Sealed, and out of sight.">
      {connection === "not_connected" ? (
        <Card title="Connect the account" lead="The provider asks you what it may do. You come back here.">
          <ConnectButton id={id} />
        </Card>
      ) : (
        <Card title="Does it work?">
          <TestCall id={id} at_once />
        </Card>
      )}
      <Card title="Next" lead="An app needs a token of its own. It can be cut off without touching the key.">
        <div className="row">
          <LinkButton href={`/tokens/new?key=${encodeURIComponent(name)}`} variant="primary">
            Create a token for {name}
          </LinkButton>
          <LinkButton href={`/keys/${id}`}>Open the key</LinkButton>
          <LinkButton href="/keys/new">Add another</LinkButton>
        </div>
      </Card>
    </Page>
  );
}

/** One harmless call upstream with the key, and what came of it. */
export function TestCall({ id, at_once = false }: { id: string; at_once?: boolean }): ReactNode {
  const test = useAct("POST /keys/{key}/test");
  const begun = useRef(false);
  const { mutate } = test;
  useEffect(() => {
    if (!at_once || begun.current) return;
    begun.current = true;
    mutate({ params: { key: id }, body: {} });
  }, [at_once, id, mutate]);
  const { data, error, isPending } = test;
  return (
    <div className="stack tight">
      {error === null ? null : (
        <p className="note warn" role="status">
          <Icon name="alert" /> <span>{error.message}</span>
        </p>
      )}
      {data === undefined ? null : (
        <p className={data.ok ? "note good" : "note bad"} role="status">
          <Icon name={data.ok ? "check" : "alert"} />
          <span>
            {data.detail} {data.status === undefined ? null : <code>{data.status}</code>} in {data.latency_ms} ms
          </span>
        </p>
      )}
      <div>
        <Button
          size="sm"
          icon={<Icon name="bolt" size={14} />}
          loading={isPending}
          onClick={() => mutate({ params: { key: id }, body: {} })}
        >
          {data === undefined && error === null ? "Test call" : "Test again"}
        </Button>
      </div>
    </div>
  );
}
