import { useEffect, useState, type ReactNode } from "react";
import { Icon } from "../shell/icons.tsx";

const SETTLED_MS = 250;

/** A field to search by; tells what was typed once the person pauses. */
export function Search({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string;
  onChange: (text: string) => void;
}): ReactNode {
  const [text, setText] = useState(value);
  // What was looked for is what was typed, but for the space before the next word.
  useEffect(() => setText((typed) => (typed.trim() === value ? typed : value)), [value]);
  useEffect(() => {
    if (text.trim() === value) return;
    const timer = setTimeout(() => onChange(text.trim()), SETTLED_MS);
    return () => clearTimeout(timer);
  });
  return (
    <div className="search">
      <Icon name="search" size={15} />
      <input
        className="input"
        type="search"
        aria-label={label}
        placeholder={label}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </div>
  );
}
