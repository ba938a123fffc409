import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { signedInRecently, type Me } from "../../data/me.ts";
import { useAct } from "../../data/queries.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { Card } from "../../ui/page.tsx";
import { ReceiptView } from "../../ui/receipt.tsx";
import { RecentSignIn } from "../../ui/recent_sign_in.tsx";
import { When } from "../../ui/time.tsx";

/** Ways to sign in to this account. */
export function Identities({ of }: { of: Me }): ReactNode {
  const [fault, setFault] = useState<string>();
  const [asked, setAsked] = useState<Me["identities"][number]>();
  const unlink = useAct("POST /me/identities/unlink");
  const recent = signedInRecently(of);
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
        {of.identities.map((identity) => (
          <li key={`${identity.issuer} ${identity.subject}`}>
            <span className="line-main">
              <strong>{nameOf(identity)}</strong>
              <small>{URL.parse(identity.issuer)?.host ?? identity.issuer}</small>
            </span>
            <span className="muted">
              <When at={identity.linked_at} />
            </span>
            {recent && of.identities.length > 1 ? (
              <Button
                size="sm"
                variant="secondary-destructive"
                aria-label={`Unlink ${nameOf(identity)}`}
                onClick={() => setAsked(identity)}
              >
                Unlink
              </Button>
            ) : null}
          </li>
        ))}
      </ul>
      <Confirm
        title={`Unlink ${asked === undefined ? "" : nameOf(asked)}`}
        lead="Nobody signs in by it any more. Every other browser is signed out, since any of them may have."
        verb="Unlink"
        open={asked !== undefined}
        onClose={() => setAsked(undefined)}
        act={() => unlink.mutateAsync({ body: { issuer: asked?.issuer ?? "", subject: asked?.subject ?? "" } })}
        receipt={(receipt) => <ReceiptView of={receipt} done="Unlinked" />}
      />
      {recent ? (
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

function nameOf({ email, name, subject }: Me["identities"][number]): string {
  return email ?? name ?? subject;
}
