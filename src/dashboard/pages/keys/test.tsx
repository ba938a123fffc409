import { Button } from "@cloudflare/kumo/components/button";
import { Input } from "../../ui/input.tsx";
import { useEffect, useRef, type ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
import { useProviders } from "../../data/providers.ts";
import { useAct } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { faultOf, Typed } from "../../ui/form.tsx";
import { ConnectButton } from "./connection.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card, Page } from "../../ui/page.tsx";

type Tested = Pick<Answer<"POST /keys">, "id" | "provider">;
export type StoredKey = Tested & Pick<Answer<"POST /keys">, "name" | "connection">;

/** A key that was just stored: tried at once, and what to do with it next. */
export function TestedKey({ of }: { of: StoredKey }): ReactNode {
  const { id, name, connection } = of;
  return (
    <Page title={`${name} is stored`} lead="Sealed, and out of sight.">
      {connection === "not_connected" ? (
        <Card title="Connect the account" lead="The provider asks you what it may do. You come back here.">
          <ConnectButton id={id} />
        </Card>
      ) : (
        <Card title="Does it work?">
          <TestCall of={of} at_once />
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

/** One harmless call upstream with the key, and what came of it. Where its provider has none that we know, the person says which. */
export function TestCall({ of: { id, provider }, at_once = false }: { of: Tested; at_once?: boolean }): ReactNode {
  const test = useAct("POST /keys/{key}/test");
  const providers = useProviders();
  const begun = useRef(false);
  const { mutate } = test;
  const known = providers.data?.some((one) => one.id === provider && one.test !== undefined);
  useEffect(() => {
    if (!at_once || known !== true || begun.current) return;
    begun.current = true;
    mutate({ params: { key: id }, body: {} });
  }, [at_once, known, id, mutate]);
  const { data, error, isPending } = test;
  return (
    <form
      className="stack tight"
      onSubmit={(event) => {
        event.preventDefault();
        mutate({ params: { key: id }, body: { path: new Typed(event.currentTarget).given("path") } });
      }}
    >
      {known === false ? (
        <Input
          name="path"
          label="Path to GET"
          defaultValue="/"
          description="One that changes nothing"
          required
          error={faultOf(error, "path")}
        />
      ) : null}
      {error === null || faultOf(error, "path") !== undefined ? null : (
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
        <Button type="submit" size="sm" icon={<Icon name="bolt" size={14} />} loading={isPending}>
          {data === undefined && error === null ? "Test call" : "Test again"}
        </Button>
      </div>
    </form>
  );
}
