import { useId, type ReactNode } from "react";
import { FieldWords, tiedTo } from "./field_words.tsx";

type ChoiceProps<Value extends string> = {
  label: string;
  value: Value;
  onChange: (value: Value) => void;
  options: readonly (readonly [value: Value, label: string])[];
  hideLabel?: boolean;
  disabled?: boolean;
  description?: string;
  error?: string | undefined;
};

/** One of a few. The platform's own select, which every phone and screen reader knows. */
export function Choice<Value extends string>(props: ChoiceProps<Value>): ReactNode {
  const { label, value, onChange, options, hideLabel = false, disabled = false, description, error } = props;
  const id = useId();
  const words = { note: description, fault: error };
  return (
    <div className="field">
      <label htmlFor={id} className={hideLabel ? "unseen" : "field-label"}>
        {label}
      </label>
      <select
        id={id}
        className="select"
        value={value}
        disabled={disabled}
        onChange={(event) => onChange(event.target.value as Value)}
        {...tiedTo(id, words)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
      <FieldWords id={id} {...words} />
    </div>
  );
}
