import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import { useKeyNames } from "../../data/key_names.ts";
import type { Answer } from "../../data/api.ts";
import { useList } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { Choice } from "../../ui/choice.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { useLookedFor } from "../../ui/looked_for.ts";
import { Card, Page } from "../../ui/page.tsx";
import { Search } from "../../ui/search.tsx";
import { Empty } from "../../ui/states.tsx";
import { Life } from "../../ui/status.tsx";
import { When } from "../../ui/time.tsx";
import { DEEPEST } from "./family.tsx";
import { TokenMenu } from "./menu.tsx";
import { RevokeToken } from "./revoke.tsx";
import { treeOf, type Placed } from "./tree.ts";
import { reachInWords } from "../../ui/words.ts";

export type Token = Answer<"GET /tokens">["items"][number];

const STATES = [
  ["", "Active or paused"],
  ["ended", "Revoked or expired"],
  ["all", "All"],
] as const;

/** App tokens, those that live unless others are asked for: each command that was run with one leaves a dead one behind. */
export function Tokens(): ReactNode {
  const [search, narrow] = useLookedFor();
  const q = search.get("q") ?? undefined;
  const chosen = STATES.find(([state]) => state === search.get("state"))?.[0] ?? "";
  const state = chosen === "" ? "live" : chosen === "all" ? undefined : chosen;
  const tokens = useList("GET /tokens", { query: { q, state, limit: 200 } });
  // Held here: the receipt outlives the row that it was asked for in.
  const [revoking, setRevoking] = useState<Token>();
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
    {
      head: "Ends",
      wide: true,
      cell: ({ revoked_at, expires_at, refresh_by }) => <When at={revoked_at ?? expires_at ?? refresh_by} />,
    },
    {
      head: "Actions",
      kind: "actions",
      cell: (token) => <TokenMenu of={token} revoke={() => setRevoking(token)} />,
    },
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
        <div className="filters">
          <Search label="Search tokens" value={q ?? ""} onChange={(text) => narrow("q", text)} />
          <Choice
            label="State"
            hideLabel
            value={chosen}
            onChange={(value) => narrow("state", value)}
            options={STATES}
          />
        </div>
        <List
          label="Tokens"
          of={{ ...tokens, items: tokens.items && treeOf(tokens.items) }}
          columns={columns}
          id={({ id }) => id}
          dim={({ revoked_at, paused }) => paused || revoked_at !== undefined}
          empty={
            q === undefined && chosen === "" ? (
              <Empty
                icon="token"
                title="No token is active"
                action={
                  <LinkButton href="/tokens/new" variant="primary">
                    Create a token
                  </LinkButton>
                }
              >
                An app presents a token where it used to present the API key. The locker swaps one for the other on the
                way.
              </Empty>
            ) : (
              <Empty icon="search" title="No token matches">
                Try fewer letters, or all tokens.
              </Empty>
            )
          }
        />
      </Card>
      {revoking === undefined ? null : <RevokeToken of={revoking} open onClose={() => setRevoking(undefined)} />}
    </Page>
  );
}
