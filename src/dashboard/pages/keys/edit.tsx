import { Input, InputArea } from "../../ui/input.tsx";
import { useState, type ReactNode } from "react";
import { useAct } from "../../data/queries.ts";
import { Modal } from "../../ui/dialog.tsx";
import { faultOf, FormFault, FormFoot, Tick, useForm } from "../../ui/form.tsx";
import { forInput } from "../../ui/time.tsx";
import type { KeyDetails } from "./key.tsx";
import { tagsIn } from "./tags.ts";

type EditProps = { of: KeyDetails; open: boolean; onClose: () => void };

/** What may change without the secret. Where the secret goes is not among it (SECURITY S2). */
export function EditKey({ of, open, onClose }: EditProps): ReactNode {
  return (
    <Modal
      title={`Edit ${of.name}`}
      lead="A former name goes on working, so nothing that uses it breaks. Where the secret goes changes only by rotating it."
      open={open}
      onClose={onClose}
      size="lg"
    >
      <EditForm of={of} onClose={onClose} />
    </Modal>
  );
}

function EditForm({ of: opened, onClose }: { of: KeyDetails; onClose: () => void }) {
  // As it was when the form was opened: what is typed is not overwritten by what is read meanwhile.
  const [of] = useState(opened);
  const change = useAct("PATCH /keys/{key}");
  const { busy, error, submit } = useForm(async (typed) => {
    const [name, tags, expires] = [typed.text("name"), tagsIn(typed.text("tags")), typed.text("expires_at")];
    const [scrub, revealable, note] = [typed.ticked("scrub"), typed.ticked("revealable"), typed.text("note")];
    // Only what was changed: what was left as it stood may stand otherwise by now, and a guard that was put up stays up.
    await change.mutateAsync({
      params: { key: of.id },
      body: {
        ...(name === of.name ? {} : { name }),
        ...(tags.join() === of.tags.join() ? {} : { tags }),
        ...(scrub === of.scrub ? {} : { scrub }),
        ...(revealable === of.revealable ? {} : { revealable }),
        ...(expires === forInput(of.expires_at)
          ? {}
          : { expires_at: expires === "" ? null : new Date(expires).toISOString() }),
        ...(note === (of.note ?? "").trim() ? {} : { note: note === "" ? null : note }),
      },
    });
    onClose();
  });
  return (
    <form className="stack" onSubmit={submit}>
      <Input
        name="name"
        label="Name"
        defaultValue={of.name}
        required
        spellCheck={false}
        error={faultOf(error, "name")}
      />
      <Input
        name="tags"
        label="Tags"
        description="Separated by commas"
        defaultValue={of.tags.join(", ")}
        error={faultOf(error, "tags")}
      />
      <InputArea
        name="note"
        label="Note"
        defaultValue={of.note ?? ""}
        maxLength={2000}
        error={faultOf(error, "note")}
      />
      <Input
        name="expires_at"
        label="Expires"
        type="datetime-local"
        defaultValue={forInput(of.expires_at)}
        error={faultOf(error, "expires_at")}
      />
      <Tick name="revealable" label="Devices may see it, with an elevation" checked={of.revealable} />
      <Tick name="scrub" label="Remove the secret from every answer" checked={of.scrub} />
      <FormFault error={error} fields={["name", "tags", "note", "expires_at"]} />
      <FormFoot verb="Save" busy={busy} onCancel={onClose} />
    </form>
  );
}
