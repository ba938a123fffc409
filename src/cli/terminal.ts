import { once } from "node:events";
import { stripVTControlCharacters } from "node:util";

/** What people may see of a text that somebody else has written: nothing that moves the cursor or turns the line around. */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "");
}

type Paint = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";
const CODES: Record<Paint, [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** Colours only where a person looks, and not against their wish (no-color.org). */
function isColourful(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR = "", FORCE_COLOR = "", TERM } = process.env;
  if (NO_COLOR !== "") return false;
  if (FORCE_COLOR !== "" && FORCE_COLOR !== "0") return true;
  return stream.isTTY && TERM !== "dumb";
}

export function paint(text: string, how: Paint, stream: NodeJS.WriteStream = process.stdout): string {
  if (!isColourful(stream)) return text;
  const [on, off] = CODES[how];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** Data goes to stdout, and nothing else does. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** A file as data, no faster than it is taken. */
export async function pour(file: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const bytes of file) if (!process.stdout.write(bytes)) await once(process.stdout, "drain");
}

/** What is said about the data goes to stderr, so that pipes stay clean. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** How far something has come, over what was said of it before; only where a person looks. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

/** JSON for programs, indented for people who look at it all the same. */
export function sayJson(value: unknown): void {
  say(JSON.stringify(value, null, 2));
}

const GAP = 2;
const NARROWEST = 8;

/** How many columns a text takes: wide letters take two, marks that sit on others none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{M}/u.test(character)) continue;
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u.test(
        character,
      )
        ? 2
        : 1;
  }
  return width;
}

/**
 * Rows under headings. On a terminal the widest columns give way until a row fits in one line; in a pipe nothing is cut.
 * `columns` is how wide the terminal is, or undefined for a pipe.
 */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number | undefined = process.stdout.isTTY ? process.stdout.columns : undefined,
): string {
  const lines = [headings, ...rows.map((row) => row.map(plain))];
  const widths = headings.map((_, at) => Math.max(...lines.map((line) => widthOf(line[at] ?? ""))));
  if (columns !== undefined) shrink(widths, columns - GAP * (widths.length - 1));
  return lines
    .map((line, index) => {
      const text = line.map((cell, at) => fit(cell, widths[at] ?? 0, at === line.length - 1)).join(" ".repeat(GAP));
      return index === 0 ? paint(text.trimEnd(), "bold") : text.trimEnd();
    })
    .join("\n");
}

/** Takes from the widest column until all fit, or until none can give any more. */
function shrink(widths: number[], room: number): void {
  for (let over = widths.reduce((sum, width) => sum + width, 0) - room; over > 0; over--) {
    const widest = widths.indexOf(Math.max(...widths));
    if ((widths[widest] ?? 0) <= NARROWEST) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function fit(text: string, width: number, last: boolean): string {
  const over = widthOf(text) > width;
  let cut = "";
  for (const character of text) {
    if (widthOf(cut + character) > (over ? width - 1 : width)) break;
    cut += character;
  }
  if (over) cut += "…";
  return last ? cut : cut + " ".repeat(Math.max(0, width - widthOf(cut)));
}

/** A moment as the clock on this computer shows it. */
export function local(time: string): string {
  const date = new Date(time);
  const moved = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return moved.toISOString().slice(0, 19).replace("T", " ");
}

/** A time as people say it: how long ago, or how long still. */
export function ago(time: string | undefined, now = Date.now()): string {
  if (time === undefined) return "never";
  const ms = Date.parse(time) - now;
  const words = span(Math.abs(ms));
  if (words === "now") return words;
  return ms < 0 ? `${words} ago` : `in ${words}`;
}

function span(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1_440)} d`;
}
