import type { ReactNode } from "react";
import { Link } from "wouter";
import type { Answer } from "../../data/api.ts";
import { useKeyNames } from "../../data/key_names.ts";
import { useList } from "../../data/queries.ts";
import { LinkButton } from "../../ui/link_button.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { Monogram } from "../../ui/monogram.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { Empty } from "../../ui/states.tsx";
import { Chip, Life } from "../../ui/status.tsx";
import { When } from "../../ui/time.tsx";
import { reachInWords } from "../../ui/words.ts";

export type Client = Answer<"GET /grants">["items"][number];

/** Programs that somebody let in: MCP clients, agents, and other OAuth clients. */
export function Clients(): ReactNode {
  const grants = useList("GET /grants", {});
  const names = useKeyNames();
  const columns: readonly Column<Client>[] = [
    {
      head: "Client",
      cell: ({ id, client_name, keys }) => (
        <div className="with-icon">
          <Monogram name={client_name} />
          <div className="main-cell">
            <Link href={`/clients/${id}`}>{client_name}</Link>
            <small>{reachInWords(keys, names)}</small>
          </div>
        </div>
      ),
    },
    { head: "Status", cell: (grant) => <Life {...grant} /> },
    { head: "Scopes", wide: true, cell: ({ scopes }) => <Scopes of={scopes} /> },
    { head: "Uses", kind: "number", wide: true, cell: ({ uses }) => uses.toLocaleString() },
    { head: "Last used", wide: true, cell: ({ last_used_at }) => <When at={last_used_at} /> },
    { head: "Let in", wide: true, cell: ({ authorized_at }) => <When at={authorized_at} /> },
  ];
  return (
    <Page
      title="Connected clients"
      lead="Agents and apps that you let in. Each does what you ticked, with the keys you chose, and no more."
      actions={
        <LinkButton href="/connect" variant="primary">
          Connect a client
        </LinkButton>
      }
    >
      <Card flush>
        <List
          label="Connected clients"
          of={grants}
          columns={columns}
          id={({ id }) => id}
          dim={({ revoked_at, paused }) => paused || revoked_at !== undefined}
          empty={
            <Empty
              icon="client"
              title="No client is connected"
              action={
                <LinkButton href="/connect" variant="primary">
                  Connect one
                </LinkButton>
              }
            >
              An MCP client such as an editor or an assistant can use your keys without seeing them.
            </Empty>
          }
        />
      </Card>
    </Page>
  );
}

export function Scopes({ of }: { of: readonly string[] }): ReactNode {
  return (
    <span className="chips nowrap">
      {of.map((scope) => (
        <Chip key={scope}>{scope.replace("vault:", "")}</Chip>
      ))}
    </span>
  );
}
