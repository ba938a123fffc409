import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { signedInRecently, type Me } from "../../data/me.ts";
import { useAct } from "../../data/queries.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { Card } from "../../ui/page.tsx";
import { ReceiptView } from "../../ui/receipt.tsx";
import { RecentSignIn } from "../../ui/recent_sign_in.tsx";

/** The end of the account. */
export function DeleteAccount({ of }: { of: Me }): ReactNode {
  const [asked, setAsked] = useState(false);
  const remove = useAct("DELETE /me", { keep: true });
  const name = of.name ?? of.session?.name ?? of.account_id;
  return (
    <Card
      title="Delete the account"
      lead="Every key becomes unreadable at once, every token, client and device stops, and what is open is cut. Nobody can undo it."
    >
      {signedInRecently(of) ? (
        <div>
          <Button variant="secondary-destructive" onClick={() => setAsked(true)}>
            Delete the account
          </Button>
        </div>
      ) : (
        <RecentSignIn what="delete the account" />
      )}
      <Confirm
        title="Delete the account"
        lead="With all that it holds, for ever."
        verb="Delete for ever"
        typed={name}
        open={asked}
        onClose={() => {
          setAsked(false);
          if (remove.isSuccess) location.assign("/");
        }}
        act={() => remove.mutateAsync({})}
        receipt={(receipt) => <ReceiptView of={receipt} done="Deleted" />}
      />
    </Card>
  );
}
