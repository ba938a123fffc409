import type { ReactNode } from "react";

type Words = { note?: string | undefined; fault?: string | undefined };

/** Ties a field to the words below it, so that who hears the field hears them too. */
export function tiedTo(id: string, { note, fault }: Words) {
  const ids = [...(note === undefined ? [] : [`${id}-note`]), ...(fault === undefined ? [] : [`${id}-fault`])];
  return { "aria-describedby": ids.length === 0 ? undefined : ids.join(" "), "aria-invalid": fault !== undefined };
}

/** What a field means, and what is wrong with what stands in it. */
export function FieldWords({ id, note, fault }: Words & { id: string }): ReactNode {
  return (
    <>
      {note === undefined ? null : (
        <p className="field-note" id={`${id}-note`}>
          {note}
        </p>
      )}
      {fault === undefined ? null : (
        <p className="problem" id={`${id}-fault`}>
          {fault}
        </p>
      )}
    </>
  );
}
