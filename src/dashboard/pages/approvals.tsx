import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { Answer, Given } from "../data/api.ts";
import { useTail } from "../data/live.ts";
import { useAct, useAnswer } from "../data/queries.ts";
import { Icon } from "../shell/icons.tsx";
import { LiveMark } from "../ui/live_mark.tsx";
import { Card, Facts, Page } from "../ui/page.tsx";
import { Answered, Empty } from "../ui/states.tsx";
import { Status } from "../ui/status.tsx";
import { When } from "../ui/time.tsx";
import { useTold } from "../ui/told.ts";

type Approval = Answer<"GET /approvals">["items"][number];
type Decision = Given<"POST /approvals/{id}">["body"]["decision"];

const ASKED_EVERY_MS = 2_000;
const LONGER: readonly (readonly [Decision, string])[] = [
  ["10m", "for 10 minutes"],
  ["1h", "for an hour"],
  ["always", "always"],
];

/**
 * Calls that wait for a person. The host comes from the key and is told in our words; what the program writes stands in a box that
 * says so, as it does on the page without script (SECURITY S21).
 */
export function Approvals(): ReactNode {
  const open = useAnswer("GET /approvals", {}, { every_ms: useTail(ASKED_EVERY_MS) });
  return (
    <Page
      title="Approvals"
      lead="Calls that a token may make only with your yes. A call waits two minutes; a later yes counts when it is made again."
      actions={<LiveMark />}
    >
      <Answered of={open} lines={4}>
        {({ items }) =>
          items.length === 0 ? (
            <Card>
              <Empty icon="approve" title="Nothing waits for you">
                Let a token ask first, in its policy, and its calls appear here the moment they are made.
              </Empty>
            </Card>
          ) : (
            items.map((approval) => <Question key={approval.id} of={approval} />)
          )
        }
      </Answered>
    </Page>
  );
}

function Question({ of }: { of: Approval }): ReactNode {
  const answer = useAct("POST /approvals/{id}");
  const tell = useTold();
  const decide = (decision: Decision) =>
    void tell(
      answer.mutateAsync({ params: { id: of.id }, body: { decision } }),
      decision === "no" ? "Refused" : "Let through",
    );
  const { actor, key } = of;
  return (
    <Card
      title={<span className="destination">{of.host}</span>}
      lead={
        <>
          A program wants to call it with your key, and asked <When at={of.asked_at} />.
        </>
      }
      actions={
        of.decision !== undefined ? (
          <Status tone={of.decision === "no" ? "bad" : "good"}>answered</Status>
        ) : of.waiting ? (
          <Status tone="ice">waiting</Status>
        ) : (
          <Status tone="quiet">has left</Status>
        )
      }
    >
      <figure className="asked">
        <figcaption>What the program asks for. Nothing in this box was written by API Locker.</figcaption>
        <Facts
          of={[
            ["Call", <bdi key="call" className="destination">{`${of.method} ${of.path}`}</bdi>],
            ["Token", <bdi key="token">{actor.name}</bdi>],
            [
              "Key",
              <Link key="key" className="link" href={`/keys/${key.id}`}>
                {key.name}
              </Link>,
            ],
            ["From", of.country === "XX" ? of.ip : `${of.ip} (${of.country})`],
          ]}
        />
      </figure>
      <p className="muted">
        The question ends <When at={of.expires_at} />
      </p>
      {of.decision === undefined ? (
        <div className="answers" role="group" aria-label={`Answer about ${of.host}`}>
          <Button variant="primary" disabled={answer.isPending} onClick={() => decide("once")}>
            Allow once
          </Button>
          <Button
            variant="secondary-destructive"
            icon={<Icon name="close" size={14} />}
            disabled={answer.isPending}
            onClick={() => decide("no")}
          >
            No
          </Button>
          <span className="muted">or allow the same</span>
          {LONGER.map(([decision, words]) => (
            <Button key={decision} size="sm" disabled={answer.isPending} onClick={() => decide(decision)}>
              {words}
            </Button>
          ))}
        </div>
      ) : null}
    </Card>
  );
}
