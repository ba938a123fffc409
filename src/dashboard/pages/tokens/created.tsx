import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import type { Key } from "../../data/key_names.ts";
import { useMe } from "../../data/me.ts";
import { useTail } from "../../data/live.ts";
import { useProviders } from "../../data/providers.ts";
import { useAnswer } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { Choice } from "../../ui/choice.tsx";
import { Copy, Snippet } from "../../ui/copy.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Card, Page } from "../../ui/page.tsx";
import type { Policy } from "./policy.ts";
import { RevokeToken } from "./revoke.tsx";
import { Snippets } from "./snippets.tsx";

export type Created = {
  id: string;
  name: string;
  token: string;
  refresh_token: string | undefined;
  policy: Policy;
  /** The token in whose place it comes. */
  replaces: { id: string; name: string } | undefined;
};

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
        {of.refresh_token === undefined || me === undefined ? null : (
          <Refresh token={of.refresh_token} origin={location.origin} />
        )}
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
      {of.replaces === undefined ? null : <Replaced of={of.replaces} />}
    </Page>
  );
}

function reaches(chosen: readonly string[] | undefined, id: string, tags: readonly string[]): boolean {
  return chosen === undefined || chosen.some((one) => one === id || tags.some((tag) => one === `tag:${tag}`));
}

/** Waits for the token's first call. */
function FirstCall({ id }: { id: string }): ReactNode {
  const [seen, setSeen] = useState(false);
  const every_ms = useTail(ASKED_EVERY_MS);
  const { data } = useAnswer("GET /tokens/{id}", { params: { id } }, { every_ms: seen ? undefined : every_ms });
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
            <span className="pulse" aria-hidden="true" /> Waiting for the first call…
          </>
        )}
      </p>
    </Card>
  );
}

/** How the next token is come by. */
function Refresh({ token, origin }: { token: string; origin: string }): ReactNode {
  return (
    <>
      <h3>The refresh token</h3>
      <div className="secret">
        <code>{token}</code>
        <Copy text={token} size="base" />
      </div>
      <p className="lead">
        The app keeps it and exchanges it for the next pair before the token ends. Each answer brings the next refresh
        token: keep that one instead.
      </p>
      <Snippet
        label="How to refresh"
        text={`curl -X POST ${origin}/v1/tokens/refresh \\\n  -H "Authorization: Bearer ${token}"`}
      />
    </>
  );
}

function Replaced({ of }: { of: { id: string; name: string } }): ReactNode {
  const [revoking, setRevoking] = useState(false);
  return (
    <Card title="The old one" lead="It still works. Revoke it once the new one has been used.">
      <div>
        <Button variant="secondary-destructive" onClick={() => setRevoking(true)}>
          Revoke the old token
        </Button>
      </div>
      <RevokeToken of={of} open={revoking} onClose={() => setRevoking(false)} />
    </Card>
  );
}
