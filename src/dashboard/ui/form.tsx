import { Button } from "@cloudflare/kumo/components/button";
import { useState, type FormEvent, type ReactNode } from "react";
import { flushSync } from "react-dom";
import { Refused } from "../data/api.ts";

/** What somebody typed into a form, read once when it is sent: a secret is never kept in the app's own state. */
export class Typed {
  readonly #data: FormData;

  constructor(form: HTMLFormElement) {
    this.#data = new FormData(form);
  }

  text(name: string): string {
    const value = this.#data.get(name);
    return typeof value === "string" ? value.trim() : "";
  }

  /** Nothing, where nothing was typed. */
  given(name: string): string | undefined {
    return this.text(name) || undefined;
  }

  ticked(name: string): boolean {
    return this.#data.get(name) !== null;
  }

  all(name: string): string[] {
    return this.#data.getAll(name).filter((value) => typeof value === "string");
  }
}

type Sending = { busy: boolean; error: Error | undefined; submit: (event: FormEvent<HTMLFormElement>) => void };

/** Sends a form: one at a time, and a refusal is kept to be shown. */
export function useForm(send: (typed: Typed, form: HTMLFormElement) => Promise<unknown>): Sending {
  const [state, setState] = useState<{ busy: boolean; error: Error | undefined }>({ busy: false, error: undefined });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (state.busy) return;
    const form = event.currentTarget;
    const { submitter } = event.nativeEvent as SubmitEvent;
    setState({ busy: true, error: undefined });
    send(new Typed(form), form).then(
      () => setState({ busy: false, error: undefined }),
      (error: unknown) => {
        flushSync(() => setState({ busy: false, error: error as Error }));
        goOn(form, submitter);
      },
    );
  };
  return { ...state, submit };
}

/** Whoever sent a form that was refused goes on at the first field that was, wherever it is folded away, or where they were. */
function goOn(form: HTMLFormElement, submitter: HTMLElement | null): void {
  const field = form.querySelector<HTMLElement>('[aria-invalid="true"], fieldset:has(> .problem) input');
  for (let fold = field?.closest("details"); fold; fold = fold.parentElement?.closest("details")) fold.open = true;
  (field ?? submitter)?.focus();
}

/** What the API says about one field. */
export function faultOf(error: Error | null | undefined, field: string): string | undefined {
  if (!(error instanceof Refused)) return undefined;
  return error.errors.find((one) => one.field === field || one.field.startsWith(`${field}.`))?.rule;
}

/** What it says about the whole, or about fields that are not in the form. */
export function FormFault({
  error,
  fields = [],
}: {
  error: Error | null | undefined;
  fields?: readonly string[];
}): ReactNode {
  if (error === undefined || error === null) return null;
  const others =
    error instanceof Refused ? error.errors.filter(({ field }) => !fields.includes(field.split(".")[0] ?? "")) : [];
  const shown = error instanceof Refused && error.errors.length > 0 && others.length === 0;
  if (shown)
    return (
      <p className="problem" role="alert">
        Some fields need another look.
      </p>
    );
  return (
    <p className="problem" role="alert">
      {others.length === 0 ? error.message : others.map(({ field, rule }) => `${field}: ${rule}`).join(". ")}
    </p>
  );
}

type FormFootProps = { verb: string; busy: boolean; onCancel: () => void };

/** The end of a form in a dialog: do it, or leave it. */
export function FormFoot({ verb, busy, onCancel }: FormFootProps): ReactNode {
  return (
    <div className="modal-foot">
      <Button type="button" onClick={onCancel}>
        Cancel
      </Button>
      <Button type="submit" variant="primary" loading={busy}>
        {verb}
      </Button>
    </div>
  );
}

/** A box to tick, with words that say what it means. */
export function Tick({
  name,
  label,
  note,
  checked,
}: {
  name: string;
  label: string;
  note?: string;
  checked?: boolean;
}) {
  return (
    <label className="tick">
      <input type="checkbox" name={name} defaultChecked={checked} />
      <span>
        {label}
        {note === undefined ? null : <small>{note}</small>}
      </span>
    </label>
  );
}
