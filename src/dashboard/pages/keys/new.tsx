import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { useLocation, useSearchParams } from "wouter";
import type { Provider } from "../../data/providers.ts";
import { useProviders } from "../../data/providers.ts";
import { Monogram } from "../../ui/monogram.tsx";
import { Page } from "../../ui/page.tsx";
import { PageOf } from "../../ui/page_of.tsx";
import { Search } from "../../ui/search.tsx";
import { Empty } from "../../ui/states.tsx";
import { KeyForm } from "./form.tsx";
import { TestedKey, type StoredKey } from "./test.tsx";

const CATEGORIES = [
  ["Models", ({ category, placement }: Provider) => category === "llm" && placement.in !== "oauth"],
  ["Services", ({ category, placement }: Provider) => category !== "llm" && placement.in !== "oauth"],
  ["Accounts that you connect", ({ placement }: Provider) => placement.in === "oauth"],
] as const;

/** What is not in the catalog: any API that is spoken to with a key. */
const CUSTOM: Provider = {
  id: "custom",
  name: "Any other API",
  category: "service",
  placement: { in: "bearer" },
  docs_url: "",
  base_url_hint: "https://api.example.com",
};

/** Add a key: choose its provider, type its secret, see that it works. */
export function NewKey(): ReactNode {
  const [search, setSearch] = useSearchParams();
  const [, go] = useLocation();
  const providers = useProviders();
  const [stored, setStored] = useState<StoredKey>();
  const chosen = search.get("provider");
  if (stored !== undefined) return <TestedKey of={stored} />;
  return (
    <PageOf title="Add a key" of={providers}>
      {(all) => {
        const provider = chosen === "custom" ? CUSTOM : all.find(({ id }) => id === chosen);
        if (provider === undefined) return <Tiles all={all} choose={(id) => setSearch({ provider: id })} />;
        return (
          <Page
            title={`Add a key: ${provider.name}`}
            lead="The secret is sealed at once. Nobody but you, in this dashboard, can ever see it again."
            actions={<Button onClick={() => setSearch({})}>Another provider</Button>}
          >
            <KeyForm key={provider.id} provider={provider} onStored={setStored} onCancel={() => go("/keys")} />
          </Page>
        );
      }}
    </PageOf>
  );
}

function Tiles({ all, choose }: { all: readonly Provider[]; choose: (id: string) => void }): ReactNode {
  const [text, setText] = useState("");
  const wanted = text.toLowerCase();
  const found = all.filter(({ id, name }) => name.toLowerCase().includes(wanted) || id.includes(wanted));
  return (
    <Page title="Add a key" lead="Whose API is it for?">
      <Search label="Search providers" value={text} onChange={setText} />
      {found.length === 0 ? (
        <Empty icon="search" title="Not in the catalog">
          Any API that is called over https works: choose “Any other API” and say where it is.
        </Empty>
      ) : null}
      {CATEGORIES.map(([title, belongs]) => {
        const some = found.filter(belongs);
        if (some.length === 0) return null;
        return (
          <section key={title} className="stack tight">
            <h2>{title}</h2>
            <div className="tiles">
              {some.map((one) => (
                <Tile key={one.id} of={one} choose={choose} />
              ))}
            </div>
          </section>
        );
      })}
      <section className="stack tight">
        <h2>Something else</h2>
        <div className="tiles">
          <Tile of={CUSTOM} choose={choose} />
        </div>
      </section>
    </Page>
  );
}

function Tile({ of: { id, name, base_url, base_url_hint }, choose }: { of: Provider; choose: (id: string) => void }) {
  return (
    <button type="button" className="tile" onClick={() => choose(id)}>
      <Monogram name={id === "custom" ? "+" : name} />
      <span>
        {name}
        <small>{(base_url ?? base_url_hint ?? "").replace("https://", "")}</small>
      </span>
    </button>
  );
}
