import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { useAct } from "../../data/queries.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { Card } from "../../ui/page.tsx";
import { Status } from "../../ui/status.tsx";
import { exact, When } from "../../ui/time.tsx";
import type { KeyDetails } from "./key.tsx";

/** The key's secrets, newest first; an earlier one can be made current again. */
export function Versions({ of }: { of: KeyDetails }): ReactNode {
  const [back, setBack] = useState<KeyDetails["versions"][number]>();
  const rollBack = useAct("POST /keys/{key}/rollback");
  const newest = of.versions.toSorted((a, b) => b.version - a.version);
  return (
    <Card title="Versions">
      {of.overlap_until === undefined ? null : (
        <p className="note ice">The secret before this one is still tried until {exact(of.overlap_until)}.</p>
      )}
      <ul className="lines">
        {newest.map((version) => (
          <li key={version.version}>
            <span className="line-main">
              <strong>Version {version.version}</strong>
              <small>
                <When at={version.created_at} />
                {version.base_url === of.base_url ? null : ` · ${version.base_url}`}
              </small>
            </span>
            {version.current ? (
              <Status tone="good">Current</Status>
            ) : (
              <Button size="sm" onClick={() => setBack(version)}>
                Roll back
              </Button>
            )}
          </li>
        ))}
      </ul>
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
