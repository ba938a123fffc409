import type { ReactNode } from "react";
import { Link } from "wouter";
import { useWhole } from "../../data/queries.ts";
import { Icon } from "../../shell/icons.tsx";
import { Card } from "../../ui/page.tsx";
import { Answered } from "../../ui/states.tsx";

/** What the doctor found, with the remedy. */
export function Findings(): ReactNode {
  const findings = useWhole("GET /doctor", {});
  return (
    <Card title="Check-up">
      <Answered of={findings} lines={2}>
        {(items) =>
          items.length === 0 ? (
            <p className="row good">
              <Icon name="check" /> All is well.
            </p>
          ) : (
            <ul className="lines">
              {items.map(({ severity, code, subject, detail, fix }) => (
                <li key={`${code} ${subject}`} className="finding">
                  <span className={severity === "warning" ? "warn" : "ice"}>
                    <Icon name={severity === "warning" ? "alert" : "doctor"} />
                  </span>
                  <span>
                    {detail} <span className="muted">{fix}</span> <Subject of={subject} />
                  </span>
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
    </Card>
  );
}

/** What a finding is about, if there is a page for it. */
function Subject({ of }: { of: string }): ReactNode {
  const place = { key: "/keys/", tok: "/tokens/", grt: "/clients/" }[of.slice(0, 3)];
  if (place === undefined || of[3] !== "_") return null;
  return (
    <Link href={place + of} className="link">
      Look
    </Link>
  );
}
