import { useSyncExternalStore } from "react";

/** What was asked for of the thing with that id, and how it will look once it is done. */
export type Change = { id: string; shown: Readonly<Record<string, unknown>> };

const listeners = new Set<() => void>();
let changes: readonly Change[] = [];

/**
 * What was asked for and is not answered yet. It is laid over what was read when that is shown, and never mixed with it: there is
 * nothing to put back when it is refused, and no reading that began earlier can undo it on screen.
 */
export function useMeanwhile(): readonly Change[] {
  return useSyncExternalStore(listen, () => changes);
}

/** Whether the vault has yet to answer for something that is shown as if it had. */
export function useUnanswered(id: string | undefined): boolean {
  return useMeanwhile().some((change) => change.id === id);
}

/** Shows a change from now on, until what this answers is called. */
export function meanwhile(change: Change): () => void {
  become([...changes, change]);
  return () => become(changes.filter((one) => one !== change));
}

/** What was read, as it will be. An answer is a thing with an id, a list of such things, or the pages of a list. */
export function laidOver<Read>(read: Read, over: readonly Change[]): Read {
  if (over.length === 0 || typeof read !== "object" || read === null) return read;
  if (Array.isArray(read)) return read.map((one: unknown) => laidOver(one, over)) as Read;
  const { id, items, pages } = read as { id?: unknown; items?: unknown; pages?: unknown };
  return Object.assign(
    { ...read },
    items === undefined ? {} : { items: laidOver(items, over) },
    pages === undefined ? {} : { pages: laidOver(pages, over) },
    ...over.filter((change) => change.id === id).map(({ shown }) => shown),
  );
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function become(next: readonly Change[]): void {
  changes = next;
  for (const listener of listeners) listener();
}
