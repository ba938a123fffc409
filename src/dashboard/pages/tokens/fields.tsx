import { useId, useState, type ReactNode } from "react";
import { now } from "../../data/clock.ts";
import { Icon } from "../../shell/icons.tsx";
import { FieldWords, tiedTo } from "../../ui/field_words.tsx";
import { forInput } from "../../ui/time.tsx";

type FieldProps<Value> = {
  label: string;
  note?: string;
  value: Value | undefined;
  onChange: (value: Value | undefined) => void;
  fault: string | undefined;
};

function Field({
  id,
  label,
  note,
  fault,
  children,
}: Pick<FieldProps<never>, "label" | "note" | "fault"> & { id: string; children: ReactNode }) {
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      {children}
      <FieldWords id={id} note={note} fault={fault} />
    </div>
  );
}

/** One thing a line, or several between commas. */
export function Lines({ label, note, value, onChange, fault }: FieldProps<string[]>): ReactNode {
  const id = useId();
  return (
    <Field id={id} label={label} note={note} fault={fault}>
      <textarea
        id={id}
        className="input lines-input"
        rows={2}
        spellCheck={false}
        defaultValue={value?.join("\n")}
        {...tiedTo(id, { note, fault })}
        onChange={(event) => onChange(linesIn(event.target.value))}
      />
    </Field>
  );
}

function linesIn(text: string): string[] | undefined {
  const lines = text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return lines.length === 0 ? undefined : lines;
}

/** A number, or no limit: whole ones from one on, or amounts. */
export function Count({
  label,
  note,
  value,
  onChange,
  fault,
  fraction = false,
}: FieldProps<number> & { fraction?: boolean }): ReactNode {
  const id = useId();
  return (
    <Field id={id} label={label} note={note} fault={fault}>
      <input
        id={id}
        type="number"
        className="input"
        min={fraction ? 0 : 1}
        step={fraction ? "any" : 1}
        inputMode={fraction ? "decimal" : "numeric"}
        placeholder="no limit"
        {...tiedTo(id, { note, fault })}
        defaultValue={value}
        onChange={({ target }) => onChange(target.value === "" ? undefined : target.valueAsNumber)}
      />
    </Field>
  );
}

const LIFETIMES = [
  ["1 hour", 3_600_000],
  ["1 day", 86_400_000],
  ["30 days", 30 * 86_400_000],
] as const;

/** A moment, in the person's own zone. `quick` offers some that are often meant. */
export function Moment({
  label,
  note,
  value,
  onChange,
  fault,
  quick = false,
}: FieldProps<string> & { quick?: boolean }): ReactNode {
  const id = useId();
  return (
    <Field id={id} label={label} note={note} fault={fault}>
      <div className="row">
        <input
          id={id}
          type="datetime-local"
          className="input fit"
          {...tiedTo(id, { note, fault })}
          value={forInput(value)}
          onChange={({ target }) => onChange(target.value === "" ? undefined : new Date(target.value).toISOString())}
        />
        {quick
          ? LIFETIMES.map(([words, ms]) => (
              <button
                key={words}
                type="button"
                className="check"
                onClick={() => onChange(new Date(now() + ms).toISOString())}
              >
                in {words}
              </button>
            ))
          : null}
        {value === undefined ? null : (
          <button type="button" className="check" onClick={() => onChange(undefined)}>
            never
          </button>
        )}
      </div>
    </Field>
  );
}

/** From so many on they are looked for, not looked through. */
const MANY = 13;

/** Some of a few, or of many. */
export function Some({
  legend,
  note,
  all,
  value,
  onChange,
  fault,
}: {
  legend: string;
  note: string;
  all: readonly (readonly [value: string, label: string])[];
  value: readonly string[] | undefined;
  onChange: (value: string[] | undefined) => void;
  fault: string | undefined;
}): ReactNode {
  const toggle = (one: string) => {
    const without = (value ?? []).filter((other) => other !== one);
    const next = without.length === (value ?? []).length ? [...without, one] : without;
    onChange(next.length === 0 ? undefined : next);
  };
  const id = useId();
  const [wanted, setWanted] = useState("");
  // What is chosen stays in sight, whatever is looked for.
  const shown = all.filter(
    ([one, label]) => value?.includes(one) === true || label.toLowerCase().includes(wanted.trim().toLowerCase()),
  );
  return (
    <fieldset className="group" aria-describedby={tiedTo(id, { note, fault })["aria-describedby"]}>
      <legend>{legend}</legend>
      <FieldWords id={id} note={note} />
      {all.length < MANY ? null : (
        <div className="search">
          <Icon name="search" size={15} />
          <input
            className="input"
            type="search"
            aria-label={`Search ${legend.toLowerCase()}`}
            placeholder={`Search ${legend.toLowerCase()}`}
            value={wanted}
            onChange={({ target }) => setWanted(target.value)}
            // Whoever looks for a key has not finished the form.
            onKeyDown={(event) => event.key === "Enter" && event.preventDefault()}
          />
        </div>
      )}
      {shown.length === 0 ? <p className="field-note">Nothing matches.</p> : null}
      <div className="checks scrolling">
        {shown.map(([one, label]) => (
          <label key={one} className="check">
            <input type="checkbox" checked={value?.includes(one) ?? false} onChange={() => toggle(one)} />
            {label}
          </label>
        ))}
      </div>
      <FieldWords id={id} fault={fault} />
    </fieldset>
  );
}
