import { Button } from "@cloudflare/kumo/components/button";
import { useState, type ReactNode } from "react";
import { fieldsOf } from "../../data/secret_fields.ts";
import { useAct } from "../../data/queries.ts";
import { Choice } from "../../ui/choice.tsx";
import { Modal } from "../../ui/dialog.tsx";
import { FormFault, FormFoot, useForm } from "../../ui/form.tsx";
import type { KeyDetails } from "./key.tsx";
import { SecretFields, secretIn } from "./secret.tsx";
import { TestCall } from "./test.tsx";

const OVERLAPS = [
  ["0", "At once"],
  ["300", "5 minutes"],
  ["3600", "1 hour"],
  ["86400", "1 day"],
  ["604800", "7 days"],
] as const;

type RotateProps = { of: KeyDetails; open: boolean; onClose: () => void };

/** A new secret for the same place. The old one may be tried a while longer, should the new one not work yet. */
export function RotateKey({ of, open, onClose }: RotateProps): ReactNode {
  return (
    <Modal
      title={`Rotate ${of.name}`}
      lead={`The new secret goes to ${of.base_url}, as the old one did. Apps notice nothing.`}
      open={open}
      onClose={onClose}
    >
      <RotateForm of={of} onClose={onClose} />
    </Modal>
  );
}

function RotateForm({ of, onClose }: { of: KeyDetails; onClose: () => void }) {
  const rotate = useAct("POST /keys/{key}/rotate");
  const [overlap, setOverlap] = useState<(typeof OVERLAPS)[number][0]>("3600");
  const [done, setDone] = useState(false);
  const fields = fieldsOf(of);
  const { busy, error, submit } = useForm(async (typed, form) => {
    const body = { ...secretIn(typed, fields), overlap_seconds: Number(overlap) };
    await rotate.mutateAsync({ params: { key: of.id }, body });
    form.reset();
    setDone(true);
  });
  if (done) {
    return (
      <>
        <p>Version {of.version} is current. See that it works:</p>
        <TestCall of={of} at_once />
        <div className="modal-foot">
          <Button variant="primary" onClick={onClose}>
            Close
          </Button>
        </div>
      </>
    );
  }
  return (
    <form className="stack" onSubmit={submit} autoComplete="off">
      <SecretFields fields={fields} error={error} />
      <Choice
        label="The old secret is given up"
        value={overlap}
        onChange={setOverlap}
        options={OVERLAPS}
        description="Until then a call that the API refuses with the new secret is tried with the old one."
      />
      <FormFault error={error} fields={["secret", "fields"]} />
      <FormFoot verb="Rotate" busy={busy} onCancel={onClose} />
    </form>
  );
}
