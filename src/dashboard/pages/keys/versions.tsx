import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { Answer } from "../../data/api.ts";
import { now } from "../../data/clock.ts";
import { useAct, useAnswer } from "../../data/queries.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { Card } from "../../ui/page.tsx";
import { Answered } from "../../ui/states.tsx";
import { Status } from "../../ui/status.tsx";
import { counted } from "../../ui/words.ts";
import { exact, When } from "../../ui/time.tsx";
import type { KeyDetails } from "./key.tsx";

type Version = Answer<"GET /keys/{key}/versions">["items"][number];

/** The key's secrets, newest first, and how often each was used; an earlier one can be made current again. */
export function Versions({ of }: { of: KeyDetails }): ReactNode {
  const [back, setBack] = useState<Version>();
  const versions = useAnswer("GET /keys/{key}/versions", { params: { key: of.id } });
  const rollBack = useAct("POST /keys/{key}/rollback");
  return (
    <Card title="Versions">
      {of.overlap_until === undefined || Date.parse(of.overlap_until) <= now() ? null : (
        <p className="note ice">The secret before this one is still tried until {exact(of.overlap_until)}.</p>
      )}
      <Answered of={versions} lines={2}>
        {({ items }) => (
          <ul className="lines" aria-label="Versions">
            {items.map((version) => (
              <li key={version.version}>
                <span className="line-main">
                  <span className="row">
                    <strong>Version {version.version}</strong>
                    {version.state === "in_reserve" ? <Status tone="ice">In reserve</Status> : null}
                  </span>
                  <small>
                    <Uses of={version} of_key={of.id} />
                  </small>
                  {version.created_at === undefined ? null : (
                    <small>
                      Made <When at={version.created_at} />
                      {version.base_url === of.base_url ? null : ` for ${version.base_url ?? ""}`}
                    </small>
                  )}
                </span>
                <Standing of={version} onBack={() => setBack(version)} />
              </li>
            ))}
          </ul>
        )}
      </Answered>
      <Confirm
        title={`Roll back to version ${back?.version ?? ""}`}
        lead={
          back?.base_url === of.base_url
            ? "Calls use that secret from now on. You can come back to the current one the same way."
            : `Calls go to ${back?.base_url ?? ""} with that secret from now on.`
        }
        verb="Roll back"
        tone="primary"
        open={back !== undefined}
        onClose={() => setBack(undefined)}
        act={() =>
          rollBack.mutateAsync({ params: { key: of.id }, body: back === undefined ? {} : { version: back.version } })
        }
      />
    </Card>
  );
}

/** How often it was used, and the way to those calls. */
function Uses({ of: { version, uses, last_used_at }, of_key }: { of: Version; of_key: string }): ReactNode {
  if (uses === 0) return "Not used";
  return (
    <>
      <Link href={`/activity?key=${of_key}&key_version=${version}`} className="link">
        {counted(uses, "use")}
      </Link>
      {", last "}
      <When at={last_used_at} />
    </>
  );
}

function Standing({ of: { state }, onBack }: { of: Version; onBack: () => void }): ReactNode {
  switch (state) {
    case "current":
      return <Status tone="good">Current</Status>;
    case "gone":
      return <Status tone="quiet">Kept no more</Status>;
    case "in_reserve":
    case "kept":
      return (
        <Button size="sm" onClick={onBack}>
          Roll back
        </Button>
      );
  }
}
