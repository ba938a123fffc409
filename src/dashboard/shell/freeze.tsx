import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { signInAgain } from "../data/api.ts";
import { useMe } from "../data/me.ts";
import { queries, useAct } from "../data/queries.ts";
import { Confirm } from "../ui/dialog.tsx";
import { ReceiptView } from "../ui/receipt.tsx";
import { exact } from "../ui/time.tsx";
import { useTold } from "../ui/told.ts";
import { Icon } from "./icons.tsx";

/** Stops everything, by one click and one more that confirms it. It is at hand on every page, and `short` where there is no room for a menu. */
export function Freeze({ as }: { as?: "big" | "short" }): ReactNode {
  const me = useMe();
  const [asked, setAsked] = useState(false);
  const freeze = useAct("POST /vault/freeze", { keep: true });
  const frozen = me?.frozen_at !== undefined;
  return (
    <>
      <button type="button" className={`freeze ${as ?? ""}`} disabled={frozen} onClick={() => setAsked(true)}>
        <Icon name="freeze" size={as === "big" ? 20 : 17} />
        {frozen ? (
          "Frozen"
        ) : (
          <span>Freeze{as === "short" ? <span className="unseen"> everything</span> : " everything"}</span>
        )}
      </button>
      <Confirm
        title="Freeze everything"
        lead="No key can be used, no token made, no secret shown, by anyone, and all that is open is cut. Only a fresh sign-in can undo it."
        verb="Freeze"
        open={asked}
        onClose={() => {
          setAsked(false);
          if (freeze.isSuccess) void queries.invalidateQueries();
        }}
        act={() => freeze.mutateAsync({})}
        receipt={(receipt) => <ReceiptView of={receipt} done="Frozen" />}
      />
    </>
  );
}

/** Says on every page that nothing can be used, and how that ends (SECURITY S15). */
export function FrozenNotice(): ReactNode {
  const me = useMe();
  const unfreeze = useAct("POST /vault/unfreeze");
  const tell = useTold();
  if (me?.frozen_at === undefined) return null;
  const fresh = Date.parse(me.session?.signed_in_at ?? "") > Date.parse(me.frozen_at);
  return (
    <div className="note ice frozen" role="status">
      <Icon name="freeze" size={18} />
      <div className="row">
        <span>
          <strong>Everything is frozen</strong> since {exact(me.frozen_at)}.{" "}
          {fresh
            ? "Look at what happened, revoke what you do not trust, then unfreeze."
            : "To unfreeze, sign in again: whoever froze it may only look."}
        </span>
        {fresh ? (
          <Button
            loading={unfreeze.isPending}
            onClick={() => void tell(unfreeze.mutateAsync({}), "In use again. Every older session has ended")}
          >
            Unfreeze
          </Button>
        ) : (
          <Button onClick={signInAgain}>Sign in again</Button>
        )}
      </div>
    </div>
  );
}
