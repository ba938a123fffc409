import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { Answer } from "../../data/api.ts";
import { useKeyNames, useKeys } from "../../data/key_names.ts";
import { useAnswer } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { LinkButton } from "../../ui/link_button.tsx";
import { Monogram } from "../../ui/monogram.tsx";
import { usePause } from "../../ui/pause.ts";
import { Card, Facts, Page } from "../../ui/page.tsx";
import { PageOf } from "../../ui/page_of.tsx";
import { Answered } from "../../ui/states.tsx";
import { Life, Status } from "../../ui/status.tsx";
import { exact, When } from "../../ui/time.tsx";
import { RecentActivity } from "../activity/recent.tsx";
import { Family } from "./family.tsx";
import { Maker } from "./maker.tsx";
import { Spend } from "./spend.tsx";
import { RevokeToken } from "./revoke.tsx";
import { policyInWords } from "../../ui/words.ts";

export type TokenDetails = Answer<"GET /tokens/{id}">;

/** One token: what it may do, what it can reach, what it did. */
export function TokenPage({ id }: { id: string }): ReactNode {
  const token = useAnswer("GET /tokens/{id}", { params: { id } });
  return (
    <PageOf title="Token" of={token}>
      {(found) => <Opened of={found} />}
    </PageOf>
  );
}

function Opened({ of }: { of: TokenDetails }): ReactNode {
  const { id, name, paused, revoked_at, policy } = of;
  const [revoking, setRevoking] = useState(false);
  const toggle = usePause("token", of);
  const names = useKeyNames();
  return (
    <Page
      title={name}
      lead={<Life {...of} />}
      actions={
        revoked_at === undefined ? (
          <>
            <Button icon={<Icon name={paused ? "play" : "pause"} size={14} />} onClick={toggle}>
              {paused ? "Resume" : "Pause"}
            </Button>
            <LinkButton href={`/explain?token=${id}`} icon={<Icon name="explain" size={14} />}>
              Explain
            </LinkButton>
            <LinkButton href={`/tokens/${id}/edit`} icon={<Icon name="edit" size={14} />}>
              Edit
            </LinkButton>
            <LinkButton href={`/tokens/new?like=${id}`} icon={<Icon name="rotate" size={14} />}>
              Replace
            </LinkButton>
            <Button variant="secondary-destructive" onClick={() => setRevoking(true)}>
              Revoke
            </Button>
          </>
        ) : null
      }
    >
      <div className="columns main-aside">
        <div className="stack">
          <Card title="What it may do">
            <p className="sentence">{policyInWords(policy, names)}</p>
            <Facts
              of={[
                ["Uses", of.uses.toLocaleString()],
                ["Refused", of.refused.toLocaleString()],
                ["Last used", <When key="used" at={of.last_used_at} />],
                of.rotation !== "static" && [
                  "Renewed",
                  `${of.rotation}, ${(of.rotations ?? 0).toLocaleString()} times so far`,
                ],
                of.refresh_by !== undefined && ["Ends without a refresh", <When key="by" at={of.refresh_by} />],
                ["Created", <When key="created" at={of.created_at} />],
                ["Expires", of.expires_at === undefined ? "never" : exact(of.expires_at)],
                of.parent_id !== undefined && ["Made by", <Maker key="parent" id={of.parent_id} />],
                of.revoked_at !== undefined && ["Revoked", exact(of.revoked_at)],
                ["Id", <code key="id">{id}</code>],
              ]}
            />
          </Card>
          <RecentActivity filter={{ token: id }} empty="It has not been used yet." />
        </div>
        <div className="stack">
          <Reach keys={policy.keys} />
          <Family of={of} />
          {policy.spend === undefined ? null : <Spend of={{ token: id }} />}
          <Generations of={of} />
        </div>
      </div>
      <RevokeToken of={of} open={revoking} onClose={() => setRevoking(false)} />
    </Page>
  );
}

/** The very keys that the token reaches now. */
function Reach({ keys }: { keys: readonly string[] | undefined }): ReactNode {
  const all = useKeys();
  return (
    <Card title="What it can reach">
      <Answered of={all}>
        {(known) => {
          const reached = known.filter(
            ({ id, name, tags }) =>
              keys === undefined ||
              keys.some((key) => key === id || key === name || tags.some((tag) => key === `tag:${tag}`)),
          );
          if (reached.length === 0) return <p className="muted">No key: every call is refused.</p>;
          return (
            <ul className="lines scrolling" aria-label="Keys that it reaches">
              {reached.map(({ id, name, provider, base_url, paused }) => (
                <li key={id}>
                  <span className="with-icon">
                    <Monogram name={provider} />
                    <span className="line-main">
                      <Link href={`/keys/${id}`} className="name">
                        {name}
                      </Link>
                      <small>{base_url}</small>
                    </span>
                  </span>
                  {paused ? <Life paused /> : null}
                </li>
              ))}
            </ul>
          );
        }}
      </Answered>
    </Card>
  );
}

/** The pairs of a token that renews itself, newest first: who fetched each, and whether more than one did. */
function Generations({ of: { generations = [] } }: { of: TokenDetails }): ReactNode {
  if (generations.length === 0) return null;
  return (
    <Card title="Renewals">
      <ul className="lines">
        {generations.map(({ generation, issued_at, ip, country, repeats, shared }) => (
          <li key={generation}>
            <span className="line-main">
              Generation {generation}
              <small>
                {country === "XX" ? ip : `${ip} (${country})`} · <When at={issued_at} />
              </small>
            </span>
            {shared > 0 ? (
              <Status tone="warn">shared</Status>
            ) : repeats > 0 ? (
              <span className="muted">asked for {repeats + 1} times</span>
            ) : null}
          </li>
        ))}
      </ul>
    </Card>
  );
}
