import { useId, type ReactNode } from "react";
import type { Key } from "../../data/key_names.ts";
import { faultOf } from "../../ui/form.tsx";
import { forInput } from "../../ui/time.tsx";
import type { Policy } from "./policy.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
const LIFETIMES = [
  ["1 hour", 3_600_000],
  ["1 day", 86_400_000],
  ["30 days", 30 * 86_400_000],
] as const;

type BuilderProps = {
  value: Policy;
  onChange: (policy: Policy) => void;
  keys: readonly Key[];
  error: Error | undefined;
};

/** Makes a policy of choices. What is left open is left out, so that the policy says only what was meant. */
export function PolicyBuilder({ value, onChange, keys, error }: BuilderProps): ReactNode {
  const set = <Name extends keyof Policy>(name: Name, next: Policy[Name]) => {
    const { [name]: _before, ...others } = value;
    onChange(next === undefined || (Array.isArray(next) && next.length === 0) ? others : { ...others, [name]: next });
  };
  const fault = (name: string) => faultOf(error, `policy.${name}`);
  return (
    <>
      <KeyChoice value={value.keys} onChange={(next) => set("keys", next)} keys={keys} fault={fault("keys")} />
      <fieldset className="group">
        <legend>Methods</legend>
        <p className="field-note">None chosen: every method.</p>
        <div className="checks">
          {METHODS.map((method) => (
            <label key={method} className="check">
              <input
                type="checkbox"
                checked={value.methods?.includes(method) ?? false}
                onChange={() => set("methods", toggled(value.methods, method))}
              />
              {method}
            </label>
          ))}
        </div>
      </fieldset>
      <Lines
        label="Paths"
        note="One a line, such as /v1/chat/**. A * stands for one segment, ** for any number. Empty: every path."
        value={value.paths}
        onChange={(next) => set("paths", next)}
        fault={fault("paths")}
      />
      <Expiry value={value.expires_at} onChange={(next) => set("expires_at", next)} fault={fault("expires_at")} />
      <label className="tick">
        <input
          type="checkbox"
          checked={value.allow_credential_endpoints ?? false}
          onChange={(event) => set("allow_credential_endpoints", event.target.checked || undefined)}
        />
        <span>
          Allow calls that make or show credentials
          <small>
            A provider's own operations for keys and tokens. With them whoever holds this token could mint keys.
          </small>
        </span>
      </label>
    </>
  );
}

function toggled(all: readonly string[] | undefined, one: string): string[] {
  const without = (all ?? []).filter((other) => other !== one);
  return without.length === (all ?? []).length ? [...without, one] : without;
}

type KeyChoiceProps = {
  value: readonly string[] | undefined;
  onChange: (keys: string[] | undefined) => void;
  keys: readonly Key[];
  fault: string | undefined;
};

function KeyChoice({ value, onChange, keys, fault }: KeyChoiceProps): ReactNode {
  const tags = [...new Set(keys.flatMap((key) => key.tags))].toSorted();
  return (
    <fieldset className="group">
      <legend>Keys</legend>
      <p className="field-note">None chosen: every key, also those that come later.</p>
      <div className="checks scrolling">
        {tags.map((tag) => (
          <label key={tag} className="check">
            <input
              type="checkbox"
              checked={value?.includes(`tag:${tag}`) ?? false}
              onChange={() => onChange(toggled(value, `tag:${tag}`))}
            />
            every key tagged {tag}
          </label>
        ))}
        {keys.map(({ id, name }) => (
          <label key={id} className="check">
            <input
              type="checkbox"
              checked={value?.includes(id) ?? false}
              onChange={() => onChange(toggled(value, id))}
            />
            {name}
          </label>
        ))}
      </div>
      {fault === undefined ? null : <p className="problem">{fault}</p>}
    </fieldset>
  );
}

type LinesProps = {
  label: string;
  note: string;
  value: readonly string[] | undefined;
  onChange: (lines: string[]) => void;
  fault: string | undefined;
};

/** One thing a line. */
function Lines({ label, note, value, onChange, fault }: LinesProps): ReactNode {
  const id = useId();
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      <textarea
        id={id}
        className="input lines-input"
        rows={2}
        spellCheck={false}
        defaultValue={value?.join("\n")}
        aria-describedby={`${id}-note`}
        onChange={(event) => onChange(linesIn(event.target.value))}
      />
      <p className="field-note" id={`${id}-note`}>
        {note}
      </p>
      {fault === undefined ? null : <p className="problem">{fault}</p>}
    </div>
  );
}

function linesIn(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

type ExpiryProps = { value: string | undefined; onChange: (at: string | undefined) => void; fault: string | undefined };

function Expiry({ value, onChange, fault }: ExpiryProps): ReactNode {
  const id = useId();
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        Ends
      </label>
      <div className="row">
        <input
          id={id}
          type="datetime-local"
          className="input fit"
          value={forInput(value)}
          onChange={(event) =>
            onChange(event.target.value === "" ? undefined : new Date(event.target.value).toISOString())
          }
        />
        {LIFETIMES.map(([label, ms]) => (
          <button
            key={label}
            type="button"
            className="check"
            onClick={() => onChange(new Date(Date.now() + ms).toISOString())}
          >
            in {label}
          </button>
        ))}
        {value === undefined ? null : (
          <button type="button" className="check" onClick={() => onChange(undefined)}>
            never
          </button>
        )}
      </div>
      {fault === undefined ? null : <p className="problem">{fault}</p>}
    </div>
  );
}
