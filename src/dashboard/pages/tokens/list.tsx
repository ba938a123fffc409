import type { ReactNode } from "react";
import { Link } from "wouter";
import { useKeyNames } from "../../data/key_names.ts";
import type { Answer } from "../../data/api.ts";
import { useList } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { Empty } from "../../ui/states.tsx";
import { Life } from "../../ui/status.tsx";
import { When } from "../../ui/time.tsx";
import { DEEPEST } from "./family.tsx";
import { TokenMenu } from "./menu.tsx";
import { treeOf, type Placed } from "./tree.ts";
import { reachInWords } from "../../ui/words.ts";

export type Token = Answer<"GET /tokens">["items"][number];

/** Every app token, revoked ones too: what they did stays on record. */
export function Tokens(): ReactNode {
  const tokens = useList("GET /tokens", { query: { limit: 200 } });
  const names = useKeyNames();
  const columns: readonly Column<Placed>[] = [
    {
      head: "Name",
      cell: ({ id, name, policy, depth }) => (
        <div className={depth === 0 ? "main-cell" : `main-cell branch d${Math.min(depth - 1, DEEPEST)}`}>
          <Link href={`/tokens/${id}`}>{name}</Link>
          <small>{reachInWords(policy.keys, names)}</small>
        </div>
      ),
    },
    { head: "Status", cell: (token) => <Life {...token} /> },
    { head: "Uses", kind: "number", wide: true, cell: ({ uses }) => uses.toLocaleString() },
    {
      head: "Refused",
      kind: "number",
      wide: true,
      cell: ({ refused }) => (refused === 0 ? "0" : <span className="bad">{refused.toLocaleString()}</span>),
    },
    { head: "Last used", wide: true, cell: ({ last_used_at }) => <When at={last_used_at} /> },
    { head: "Expires", wide: true, cell: ({ expires_at }) => <When at={expires_at} /> },
    { head: "Actions", kind: "actions", cell: (token) => <TokenMenu of={token} /> },
  ];
  return (
    <Page
      title="Tokens"
      lead="One for each app: it reaches the keys you choose, does what you allow, and stops when you say so."
      actions={
        <LinkButton href="/tokens/new" variant="primary" icon={<Icon name="plus" />}>
          Create a token
        </LinkButton>
      }
    >
      <Card flush>
        <List
          label="Tokens"
          of={{ ...tokens, items: tokens.items && treeOf(tokens.items) }}
          columns={columns}
          id={({ id }) => id}
          dim={({ revoked_at, paused }) => paused || revoked_at !== undefined}
          empty={
            <Empty
              icon="token"
              title="No tokens yet"
              action={
                <LinkButton href="/tokens/new" variant="primary">
                  Create a token
                </LinkButton>
              }
            >
              An app presents a token where it used to present the API key. The locker swaps one for the other on the
              way.
            </Empty>
          }
        />
      </Card>
    </Page>
  );
}
