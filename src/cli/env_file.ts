/** One line of a `.env` file. */
export type Entry = { name: string; value: string; line: number };

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/**
 * Reads a `.env` file as shells and most libraries do: `export` in front, ` #` comments, quotes of three kinds, escapes in double
 * quotes, values over several lines inside quotes. Nothing is expanded: a `$` is a `$`. (The dotenv library of JavaScript leaves
 * `\"` and `\\` as they are and lets any bare `#` begin a comment.)
 */
export function parseEnv(text: string): Entry[] {
  const entries: Entry[] = [];
  const source = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  let at = 0;
  let line = 1;
  while (at < source.length) {
    const end = endOf(source, at);
    const equals = source.indexOf("=", at);
    const name =
      equals >= 0 && equals < end
        ? source
            .slice(at, equals)
            .trim()
            .replace(/^export\s+/, "")
        : "";
    if (!NAME.test(name)) {
      at = end + 1;
      line++;
      continue;
    }
    const { value, end: stop } = valueAt(source, equals + 1);
    entries.push({ name, value, line });
    line += source.slice(at, stop).split("\n").length;
    at = stop + 1;
  }
  return entries;
}

function endOf(source: string, at: number): number {
  const end = source.indexOf("\n", at);
  return end < 0 ? source.length : end;
}

function valueAt(source: string, from: number): { value: string; end: number } {
  const at = from + (/^[^\S\n]*/.exec(source.slice(from))?.[0].length ?? 0);
  const quote = source[at];
  if (quote === '"' || quote === "'" || quote === "`") {
    const close = closing(source, at + 1, quote);
    if (close >= 0) {
      const raw = source.slice(at + 1, close);
      return { value: quote === '"' ? unescaped(raw) : raw, end: endOf(source, close) };
    }
  }
  const end = endOf(source, at);
  const comment = /(^|\s)#/.exec(source.slice(at, end));
  return { value: source.slice(at, comment === null ? end : at + comment.index).trim(), end };
}

function closing(source: string, from: number, quote: string): number {
  for (let at = from; at < source.length; at++) {
    if (source[at] === "\\" && quote === '"') at++;
    else if (source[at] === quote) return at;
  }
  return -1;
}

const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t" };

function unescaped(text: string): string {
  return text.replace(/\\([nrt"\\$`])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}

/** A value as a line of a `.env` file that reads back the same, and that a shell only reads: nothing in it is run or looked up. */
export function envLine(name: string, value: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(value)) return `${name}=${value}`;
  if (!/['\n\r]/.test(value)) return `${name}='${value}'`;
  const escaped = value
    .replace(/[\\"$`]/g, "\\$&")
    .replace(/\n/g, "\\n")
    .replace(/\r/g, "\\r");
  return `${name}="${escaped}"`;
}
