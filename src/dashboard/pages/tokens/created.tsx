import { useState, type ReactNode } from "react";
import type { Key } from "../../data/key_names.ts";
import { useMe } from "../../data/me.ts";
import { useProviders } from "../../data/providers.ts";
import { useAnswer } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { Choice } from "../../ui/choice.tsx";
import { Copy } from "../../ui/copy.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card, Page } from "../../ui/page.tsx";
import type { Policy } from "./policy.ts";
import { Snippets } from "./snippets.tsx";

export type Created = { id: string; name: string; token: string; policy: Policy };

const ASKED_EVERY_MS = 1_500;

/** A token's secret, on screen until the page is left and never again; with code to paste, and a tick when it was used. */
export function CreatedToken({ of, keys }: { of: Created; keys: readonly Key[] }): ReactNode {
  const me = useMe();
  const providers = useProviders();
  const reached = keys.filter(({ id, tags }) => reaches(of.policy.keys, id, tags));
  const [chosen, setChosen] = useState(reached[0]?.id ?? "");
  const key = reached.find(({ id }) => id === chosen);
  const provider = providers.data?.find(({ id }) => id === key?.provider);
  return (
    <Page
      title={`${of.name} is ready`}
      lead="Copy it now: it is shown this once. Lost ones are replaced, not recovered."
      actions={<LinkButton href={`/tokens/${of.id}`}>Done</LinkButton>}
    >
      <Card title="The token">
        <div className="secret">
          <code data-testid="token">{of.token}</code>
          <Copy text={of.token} size="base" />
        </div>
      </Card>
      {key === undefined || me === undefined ? null : (
        <Card
          title="Use it"
          lead="Paste and run. The base URL is the locker's; the API key is the token."
          actions={
            reached.length > 1 ? (
              <Choice
                label="Key"
                hideLabel
                value={chosen}
                onChange={setChosen}
                options={reached.map(({ id, name }) => [id, name] as const)}
              />
            ) : undefined
          }
        >
          <Snippets proxy={me.proxy_origin} token={of.token} name={key.name} provider={provider} />
        </Card>
      )}
      <FirstCall id={of.id} />
    </Page>
  );
}

function reaches(chosen: readonly string[] | undefined, id: string, tags: readonly string[]): boolean {
  return chosen === undefined || chosen.some((one) => one === id || tags.some((tag) => one === `tag:${tag}`));
}

/** Waits for the token's first call. */
function FirstCall({ id }: { id: string }): ReactNode {
  const [seen, setSeen] = useState(false);
  const { data } = useAnswer("GET /tokens/{id}", { params: { id } }, seen ? {} : { every_ms: ASKED_EVERY_MS });
  const used = data !== undefined && data.uses + data.refused > 0;
  if (used && !seen) setSeen(true);
  return (
    <Card>
      <p className={used ? "waiting done" : "waiting"} role="status">
        {used ? (
          <>
            <Icon name="check" size={18} />
            <span>
              {data.uses > 0 ? "The first call came through." : "A call came and was refused."} It is in the{" "}
              <a className="link" href={`/activity?token=${id}`}>
                activity
              </a>
              .
            </span>
          </>
        ) : (
          <>
            <span className="pulse" aria-hidden="true" /> Waiting for the first call …
          </>
        )}
      </p>
    </Card>
  );
}
