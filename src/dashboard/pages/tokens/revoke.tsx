import type { ReactNode } from "react";
import { queries, useAct } from "../../data/queries.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { ReceiptView } from "../../ui/receipt.tsx";

type RevokeProps = { of: { id: string; name: string }; open: boolean; onClose: () => void };

/** Revokes a token for good and shows what was cut. */
export function RevokeToken({ of: { id, name }, open, onClose }: RevokeProps): ReactNode {
  const revoke = useAct("DELETE /tokens/{id}", { keep: true });
  return (
    <Confirm
      title={`Revoke ${name}`}
      lead="It stops everywhere at once: no later call is accepted, and open streams are cut. This cannot be undone."
      verb="Revoke"
      open={open}
      onClose={() => {
        onClose();
        if (revoke.isSuccess) void queries.invalidateQueries();
      }}
      act={() => revoke.mutateAsync({ params: { id } })}
      receipt={(receipt) => <ReceiptView of={receipt} />}
    />
  );
}
