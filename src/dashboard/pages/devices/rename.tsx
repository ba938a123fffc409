import { Button } from "@cloudflare/kumo/components/button";
import type { ReactNode } from "react";
import { Modal } from "../../ui/dialog.tsx";
import { useForm } from "../../ui/form.tsx";
import { Input } from "../../ui/input.tsx";
import { useTold } from "../../ui/told.ts";

type Renaming = { title: string; name: string; rename: (name: string) => Promise<unknown>; onClose: () => void };

/** Asks what something is to be called from now on. It is closed at once: what is refused is told. */
export function RenameModal({ title, name: before, rename, onClose }: Renaming): ReactNode {
  const tell = useTold();
  const { submit } = useForm(async (typed) => {
    const name = typed.text("name");
    void tell(rename(name), `It is called ${name} now`);
    onClose();
  });
  return (
    <Modal title={title} open onClose={onClose} size="sm">
      <form className="stack" onSubmit={submit}>
        <Input name="name" label="Name" defaultValue={before} required maxLength={100} pattern=".*\S.*" />
        <div className="modal-foot">
          <Button type="submit" variant="primary">
            Save
          </Button>
        </div>
      </form>
    </Modal>
  );
}
