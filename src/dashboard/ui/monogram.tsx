import type { ReactNode } from "react";

const HUES = 6;

/** A provider's letters in a colour of its own. Logos would have to come from somewhere, which would tell who holds which keys. */
export function Monogram({ name }: { name: string }): ReactNode {
  const words = name.split(/[^A-Za-z0-9]+/).filter(Boolean);
  const [first = name.slice(0, 1), second] = words;
  const letters =
    second === undefined
      ? first.slice(0, 1).toUpperCase() + first.slice(1, 2)
      : (first.slice(0, 1) + second.slice(0, 1)).toUpperCase();
  const hue = Array.from(name).reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0) % HUES;
  return (
    <span className={`monogram h${hue}`} aria-hidden="true">
      {letters}
    </span>
  );
}
