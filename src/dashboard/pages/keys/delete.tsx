import type { ReactNode } from "react";
import { queries, useAct } from "../../data/queries.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { ReceiptView } from "../../ui/receipt.tsx";

type DeleteProps = { of: { id: string; name: string }; open: boolean; onClose: () => void; onDone?: () => void };

/** Deletes a key, once its name was typed. */
export function DeleteKey({ of: { id, name }, open, onClose, onDone }: DeleteProps): ReactNode {
  // Read again when the receipt has been seen: a key that is gone would take the receipt away with its page.
  const remove = useAct("DELETE /keys/{key}", { keep: true });
  return (
    <Confirm
      title={`Delete ${name}`}
      lead="Its secret becomes unreadable, tokens that reach only this key reach nothing, and what is using it is cut. This cannot be undone."
      verb="Delete the key"
      typed={name}
      open={open}
      onClose={() => {
        onClose();
        if (!remove.isSuccess) return;
        onDone?.();
        void queries.invalidateQueries();
      }}
      act={() => remove.mutateAsync({ params: { key: id } })}
      receipt={(receipt) => <ReceiptView of={receipt} done="Deleted" />}
    />
  );
}
