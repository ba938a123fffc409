import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { Answer } from "../../data/api.ts";
import { useProviders } from "../../data/providers.ts";
import { useList } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { Choice } from "../../ui/choice.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { List, type Column } from "../../ui/list.tsx";
import { useLookedFor } from "../../ui/looked_for.ts";
import { Monogram } from "../../ui/monogram.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { Search } from "../../ui/search.tsx";
import { Empty } from "../../ui/states.tsx";
import { Chip, Life } from "../../ui/status.tsx";
import { When } from "../../ui/time.tsx";
import { DeleteKey } from "./delete.tsx";
import { DeletedKeys } from "./deleted.tsx";
import { KeyMenu } from "./menu.tsx";

type Key = Answer<"GET /keys">["items"][number];

const COLUMNS: readonly Column<Key>[] = [
  {
    head: "Name",
    cell: ({ id, name, provider, base_url }) => (
      <div className="with-icon">
        <Monogram name={provider} />
        <div className="main-cell">
          <Link href={`/keys/${id}`}>{name}</Link>
          <small>{hostOf(base_url)}</small>
        </div>
      </div>
    ),
  },
  {
    head: "Tags",
    wide: true,
    cell: ({ tags }) => (
      <span className="chips">
        {tags.map((tag) => (
          <Chip key={tag}>{tag}</Chip>
        ))}
      </span>
    ),
  },
  { head: "Status", cell: (key) => <Life {...key} /> },
  { head: "Uses", kind: "number", wide: true, cell: ({ uses }) => uses.toLocaleString() },
  { head: "Last used", wide: true, cell: ({ last_used_at }) => <When at={last_used_at} /> },
];

/** Every key, found by name, provider or tag. */
export function Keys(): ReactNode {
  const [search, narrow] = useLookedFor();
  const providers = useProviders();
  const q = search.get("q") ?? undefined;
  const provider = search.get("provider") ?? undefined;
  const tag = search.get("tag") ?? undefined;
  const keys = useList("GET /keys", { query: { q, provider, tag } });
  // Held here: the receipt outlives the row that it was asked for in.
  const [deleting, setDeleting] = useState<Key>();
  const columns: readonly Column<Key>[] = [
    ...COLUMNS,
    { head: "Actions", kind: "actions", cell: (key) => <KeyMenu of={key} remove={() => setDeleting(key)} /> },
  ];
  const looking = q !== undefined || provider !== undefined || tag !== undefined;
  return (
    <Page
      title="Keys"
      lead="Stored once, sealed, and never shown to the apps that use them."
      actions={
        <LinkButton href="/keys/new" variant="primary" icon={<Icon name="plus" />}>
          Add a key
        </LinkButton>
      }
    >
      <Card flush>
        <div className="filters">
          <Search label="Search keys" value={q ?? ""} onChange={(text) => narrow("q", text)} />
          <Choice
            label="Provider"
            hideLabel
            value={provider ?? ""}
            onChange={(value) => narrow("provider", value)}
            options={[
              ["", "Every provider"],
              ...(providers.data ?? []).map(({ id, name }) => [id, name] as const),
              ["custom", "Custom"],
            ]}
          />
          {tag === undefined ? null : (
            <button
              type="button"
              className="chip drop"
              onClick={() => narrow("tag", "")}
              aria-label={`Drop the tag ${tag}`}
            >
              {tag} <Icon name="close" size={12} />
            </button>
          )}
        </div>
        <List
          label="Keys"
          of={keys}
          columns={columns}
          id={({ id }) => id}
          dim={({ paused }) => paused}
          empty={
            looking ? (
              <Empty icon="search" title="No key matches">
                Try fewer letters, or every provider.
              </Empty>
            ) : (
              <Empty
                icon="key"
                title="No keys yet"
                action={
                  <LinkButton href="/keys/new" variant="primary">
                    Add your first key
                  </LinkButton>
                }
              >
                Store an API key here once. Apps then call the API through the locker, with a token that you can revoke.
              </Empty>
            )
          }
        />
      </Card>
      <DeletedKeys />
      {deleting === undefined ? null : <DeleteKey of={deleting} open onClose={() => setDeleting(undefined)} />}
    </Page>
  );
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? url;
}
