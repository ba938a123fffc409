import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { signedInRecently, type Me } from "../../data/me.ts";
import { Card } from "../../ui/page.tsx";
import { RecentSignIn } from "../../ui/recent_sign_in.tsx";
import { When } from "../../ui/time.tsx";

/** Ways to sign in to this account. */
export function Identities({ of }: { of: Me }): ReactNode {
  const [fault, setFault] = useState<string>();
  const link = async (provider: string) => {
    const response = await fetch(`/auth/${provider}/link`, { method: "POST", headers: { accept: "application/json" } });
    const answer = (await response.json()) as { location?: string; detail?: string };
    if (answer.location === undefined) setFault(answer.detail ?? "Linking could not begin.");
    else location.assign(answer.location);
  };
  return (
    <Card
      title="Ways to sign in"
      lead="Any of them opens this account. It is known by the provider's own number for you, never by an address."
    >
      <ul className="lines">
        {of.identities.map(({ issuer, subject, email, name, linked_at }) => (
          <li key={`${issuer} ${subject}`}>
            <span className="line-main">
              <strong>{email ?? name ?? subject}</strong>
              <small>{URL.parse(issuer)?.host ?? issuer}</small>
            </span>
            <span className="muted">
              <When at={linked_at} />
            </span>
          </li>
        ))}
      </ul>
      {signedInRecently(of) ? (
        <div className="row">
          {of.sign_in.map(({ id, name }) => (
            <Button key={id} onClick={() => void link(id)}>
              Link {name}
            </Button>
          ))}
        </div>
      ) : (
        <RecentSignIn what="link another way to sign in" />
      )}
      {fault === undefined ? null : (
        <p className="problem" role="alert">
          {fault}
        </p>
      )}
    </Card>
  );
}
