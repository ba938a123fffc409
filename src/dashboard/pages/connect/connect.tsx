import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import { now } from "../../data/clock.ts";
import { useTail } from "../../data/live.ts";
import { useAnswer } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { Snippet } from "../../ui/copy.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card, Page } from "../../ui/page.tsx";
import { signInATerminal } from "../../ui/words.ts";
import { RECIPES, type Recipe } from "./clients.ts";

const ASKED_EVERY_MS = 2_000;

/** How to connect a client: one address, in each client's own words, and a tick when it has come. */
export function Connect(): ReactNode {
  const [chosen, setChosen] = useState<Recipe>(RECIPES[0] as Recipe);
  const url = `${location.origin}/v1/mcp`;
  // A line to paste names a key that is there, if there is one.
  const key = useAnswer("GET /keys", { query: { limit: 1 } }).data?.items[0]?.name ?? "openai";
  return (
    <Page
      title="Connect"
      lead="An agent gets no key and no token from you. It asks, you tick what it may do, and you can take it back at any time."
    >
      <div className="columns main-aside">
        <Card title="An MCP client">
          <div className="stack">
            <div className="checks" role="radiogroup" aria-label="Client">
              {RECIPES.map((recipe) => (
                <label key={recipe.id} className="check">
                  <input
                    type="radio"
                    name="client"
                    className="unseen"
                    checked={recipe === chosen}
                    onChange={() => setChosen(recipe)}
                  />
                  {recipe.name}
                </label>
              ))}
            </div>
            <ol className="recipe">
              {chosen.steps.map((step) => (
                <li key={step}>{step}</li>
              ))}
            </ol>
            <Snippet text={chosen.paste(url)} label={`For ${chosen.name}`} />
            <Arrival />
          </div>
        </Card>
        <div className="stack">
          <Card title="An app" lead="Anything that takes a base URL and an API key.">
            <LinkButton href="/tokens/new" variant="primary">
              Create a token
            </LinkButton>
          </Card>
          <Card title="Your terminal" lead="Programs get base URLs and a short-lived token instead of secrets.">
            <Snippet
              text={`${signInATerminal()}\napilocker run --proxy --keys ${key} -- npm start`}
              label="For your terminal"
            />
          </Card>
        </div>
      </div>
    </Page>
  );
}

/** Waits for a client that was let in after this page was opened. */
function Arrival(): ReactNode {
  const [opened] = useState(now);
  const { data } = useAnswer("GET /grants", { query: { limit: 20 } }, { every_ms: useTail(ASKED_EVERY_MS) });
  const arrived = data?.items.find(
    ({ authorized_at, revoked_at }) => revoked_at === undefined && Date.parse(authorized_at) > opened,
  );
  return (
    <p className={arrived === undefined ? "waiting" : "waiting done"} role="status">
      {arrived === undefined ? (
        <>
          <span className="pulse" aria-hidden="true" /> Waiting for it to connect…
        </>
      ) : (
        <>
          <Icon name="check" size={18} />
          <span>
            <Link href={`/clients/${arrived.id}`} className="link">
              {arrived.client_name}
            </Link>{" "}
            is connected.
          </span>
        </>
      )}
    </p>
  );
}
