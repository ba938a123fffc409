import type { ReactNode } from "react";
import { useKeys } from "../../data/key_names.ts";
import { useAct } from "../../data/queries.ts";
import { Modal } from "../../ui/dialog.tsx";
import { FormFault, FormFoot, Tick, useForm } from "../../ui/form.tsx";
import { forInput } from "../../ui/time.tsx";
import type { Client } from "./list.tsx";
import { MEANING } from "./scopes.ts";

const ASKS: Record<string, { methods?: ("POST" | "PUT" | "PATCH" | "DELETE")[] }> = {
  changes: { methods: ["POST", "PUT", "PATCH", "DELETE"] },
  every: {},
};

type NarrowProps = { of: Client; open: boolean; onClose: () => void };

/** Takes scopes, keys or time away, or has it ask first. To get any back a client has to be let in anew. */
export function Narrow({ of, open, onClose }: NarrowProps): ReactNode {
  return (
    <Modal
      title={`Narrow ${of.client_name}`}
      lead="What you take away is gone at once, and open calls that need it are cut. To get it back, or to be asked less, it must be let in anew."
      open={open}
      onClose={onClose}
      size="lg"
    >
      <NarrowForm of={of} onClose={onClose} />
    </Modal>
  );
}

function NarrowForm({ of, onClose }: { of: Client; onClose: () => void }): ReactNode {
  const narrow = useAct("PATCH /grants/{id}");
  const { data: keys = [] } = useKeys();
  const reached = keys.filter(({ id }) => of.keys === undefined || of.keys.includes(id));
  const { busy, error, submit } = useForm(async (typed) => {
    const scopes = of.scopes.filter((scope) => typed.ticked(scope));
    const chosen = typed.all("key");
    const expires = typed.given("expires_at");
    await narrow.mutateAsync({
      params: { id: of.id },
      body: {
        scopes,
        keys: chosen.length === reached.length ? undefined : chosen,
        ask: ASKS[typed.given("ask") ?? ""],
        expires_at: expires === undefined ? undefined : new Date(expires).toISOString(),
      },
    });
    onClose();
  });
  return (
    <form className="stack" onSubmit={submit}>
      <fieldset className="group">
        <legend>It may</legend>
        {of.scopes.map((scope) => (
          <Tick key={scope} name={scope} label={MEANING[scope]} checked />
        ))}
      </fieldset>
      <fieldset className="group">
        <legend>With</legend>
        <div className="checks scrolling">
          {reached.map(({ id, name }) => (
            <label key={id} className="check">
              <input type="checkbox" name="key" value={id} defaultChecked />
              {name}
            </label>
          ))}
        </div>
      </fieldset>
      <label className="field">
        <span className="field-label">Before it calls a service</span>
        <select name="ask" className="select" defaultValue="as_now">
          <option value="as_now">{of.ask === undefined ? "it need not ask you" : "it asks you as now"}</option>
          {of.ask === undefined ? <option value="changes">ask me first, unless it only reads</option> : null}
          <option value="every">ask me first, every time</option>
        </select>
      </label>
      <label className="field">
        <span className="field-label">Until</span>
        <input type="datetime-local" name="expires_at" className="input fit" defaultValue={forInput(of.expires_at)} />
      </label>
      <FormFault error={error} />
      <FormFoot verb="Narrow" busy={busy} onCancel={onClose} />
    </form>
  );
}
