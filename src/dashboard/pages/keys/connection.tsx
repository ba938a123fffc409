import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import type { Answer } from "../../data/api.ts";
import { useAct } from "../../data/queries.ts";
import { Card, Facts } from "../../ui/page.tsx";
import { Chip, Status, type Tone } from "../../ui/status.tsx";
import { When } from "../../ui/time.tsx";
import { useTold } from "../../ui/told.ts";
import type { KeyDetails } from "./key.tsx";

type State = NonNullable<Answer<"GET /keys/{key}">["connection"]>;

const STATES: Record<State, readonly [Tone, string]> = {
  not_connected: ["warn", "Not connected"],
  ready: ["good", "Ready"],
  connected: ["good", "Connected"],
  reconnect_required: ["bad", "Connect it again"],
};
const SHOWN = 6;

/** How a key that renews itself stands with its provider. */
export function Connection({ of }: { of: KeyDetails }): ReactNode {
  const disconnect = useAct("POST /keys/{key}/disconnect");
  const tell = useTold();
  const { id, connection, oauth, placement } = of;
  if (connection === undefined) return null;
  const [tone, word] = STATES[connection];
  const by_person = placement.in === "oauth" && (placement.grant ?? "authorization_code") === "authorization_code";
  return (
    <Card title="Connection" actions={<Status tone={tone}>{word}</Status>}>
      {oauth === undefined ? null : (
        <>
          {oauth.trouble === undefined ? null : <p className="problem">{oauth.trouble}</p>}
          <Facts
            of={[
              ["Connected", <When key="connected" at={oauth.connected_at} />],
              ["Renewed", `${oauth.renewals.toLocaleString()} times`],
              ["Access token until", <When key="until" at={oauth.expires_at} none="not told" />],
              oauth.failures > 0 && ["Failures in a row", oauth.failures],
            ]}
          />
          {oauth.scopes === undefined ? null : (
            <p className="chips">
              {oauth.scopes.split(/[ ,]+/).map((scope) => (
                <Chip key={scope} mono>
                  {scope}
                </Chip>
              ))}
            </p>
          )}
          <ul className="lines">
            {oauth.history.slice(0, SHOWN).map(({ at, what, detail }) => (
              <li key={`${at} ${what}`}>
                <span className="line-main">
                  {what.replaceAll("_", " ")}
                  {detail === undefined ? null : <small>{detail}</small>}
                </span>
                <span className="muted">
                  <When at={at} />
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      <div className="row">
        {by_person ? <ConnectButton id={id} again={oauth !== undefined} /> : null}
        {oauth === undefined ? null : (
          <Button
            loading={disconnect.isPending}
            onClick={() =>
              void tell(disconnect.mutateAsync({ params: { key: id } }), "Disconnected, and the provider was told")
            }
          >
            Disconnect
          </Button>
        )}
      </div>
    </Card>
  );
}

/** Goes to the one-time page from which the provider is asked. */
export function ConnectButton({ id, again = false }: { id: string; again?: boolean }): ReactNode {
  const connect = useAct("POST /keys/{key}/connect", { keep: true });
  const tell = useTold();
  const go = async () => {
    const link = await tell(connect.mutateAsync({ params: { key: id } }), "Leaving for the provider");
    if (link !== undefined) location.assign(link.url);
  };
  return (
    <Button variant={again ? "secondary" : "primary"} loading={connect.isPending} onClick={() => void go()}>
      {again ? "Connect again" : "Connect"}
    </Button>
  );
}
