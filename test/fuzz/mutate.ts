import { pick, type Random } from "../support/random.ts";

/** An input: as many texts as its target reads. */
export type Fields = readonly string[];

const LONGEST = 4_096;
const INTERESTING = [
  "\0",
  "\n",
  "\r\n",
  "\t",
  " ",
  '"',
  "'",
  "\\",
  "%",
  "%25",
  "%2e",
  "%ff",
  "é",
  "😀",
  "\ud800",
  "\uff0f",
  "\ufeff",
  "0",
  "-1",
];

type Change = (
  text: string,
  at: { from: number; to: number },
  given: { random: Random; words: readonly string[]; other: string },
) => string;

const spliced = (text: string, { from, to }: { from: number; to: number }, middle: string) =>
  text.slice(0, from) + middle + text.slice(to);

const CHANGES: readonly Change[] = [
  (text, at) => spliced(text, at, ""),
  (text, at, { random, words }) => spliced(text, { from: at.from, to: at.from }, pick(random, words)),
  (text, at, { random, words }) => spliced(text, at, pick(random, words)),
  (text, at, { random }) => spliced(text, { from: at.from, to: at.from }, pick(random, INTERESTING)),
  (text, at) => spliced(text, { from: at.to, to: at.to }, text.slice(at.from, at.to)),
  (text, at, { random }) =>
    spliced(text, { from: at.to, to: at.to }, text.slice(at.from, at.to).repeat(1 + Math.floor(random() * 8))),
  (text, { from }, { random }) =>
    spliced(
      text,
      { from, to: from + 1 },
      String.fromCharCode((text.charCodeAt(from) || 0) ^ (1 << Math.floor(random() * 7))),
    ),
  (text, { from }, { random }) =>
    spliced(text, { from, to: from + 1 }, String.fromCharCode(Math.floor(random() * 128))),
  (text, at) => spliced(text, at, [...text.slice(at.from, at.to)].toReversed().join("")),
  (text, at) => {
    const piece = text.slice(at.from, at.to);
    return spliced(text, at, piece === piece.toLowerCase() ? piece.toUpperCase() : piece.toLowerCase());
  },
  (text, at) => spliced(text, at, encodeURIComponent(text.slice(at.from, at.to).toWellFormed())),
  (text, { from }, { other, random }) => text.slice(0, from) + other.slice(Math.floor(random() * other.length)),
  (text, at, { other, random }) => {
    const from = Math.floor(random() * other.length);
    return spliced(text, at, other.slice(from, from + 1 + Math.floor(random() * 16)));
  },
  (_text, _at, { other }) => other,
];

/** A child of an input: one to several changes, most of them small. */
export function mutated(
  parent: Fields,
  { random, words, corpus }: { random: Random; words: readonly string[]; corpus: readonly Fields[] },
): Fields {
  const child = [...parent];
  for (let left = 1 + Math.floor(random() ** 3 * 6); left > 0; left--) {
    const field = Math.floor(random() * child.length);
    const text = child[field] as string;
    const from = Math.floor(random() * (text.length + 1));
    const to = Math.min(text.length, from + 1 + Math.floor(random() ** 4 * 32));
    const other = pick(random, corpus)[field] as string;
    child[field] = pick(random, CHANGES)(text, { from, to }, { random, words, other }).slice(0, LONGEST);
  }
  return child;
}

/** Smaller inputs, biggest steps first: an empty field, a field without a piece of it. */
export function* smaller(fields: Fields): Generator<Fields> {
  for (const [field, text] of fields.entries()) {
    for (let size = text.length; size >= 1; size = Math.floor(size / 2)) {
      for (let from = 0; from < text.length; from += size)
        yield fields.with(field, spliced(text, { from, to: from + size }, ""));
    }
  }
}
