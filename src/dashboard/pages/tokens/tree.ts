import type { Token } from "./list.tsx";

/** A token in the list, and how many it was derived through from the one that stands at the left. */
export type Placed = Token & { depth: number };

/** Tokens in the order in which they were made of one another: each stands below the one that it draws its rights from. */
export function treeOf(tokens: readonly Token[]): Placed[] {
  const known = new Set(tokens.map(({ id }) => id));
  const children = new Map<string | undefined, Token[]>();
  for (const token of tokens) {
    // Whose parent is no token, or not on this page, stands by itself.
    const parent = token.parent_id !== undefined && known.has(token.parent_id) ? token.parent_id : undefined;
    children.set(parent, [...(children.get(parent) ?? []), token]);
  }
  const below = (parent: string | undefined, depth: number): Placed[] =>
    (children.get(parent) ?? []).flatMap((token) => [{ ...token, depth }, ...below(token.id, depth + 1)]);
  return below(undefined, 0);
}
