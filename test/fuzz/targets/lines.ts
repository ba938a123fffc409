import type { HeaderLines } from "../../../src/proxy/headers.ts";

/** Headers as the runtime would hand them on: what is no header is left out, names are lower-case, lines of one name are joined. */
export function headerLines(text: string): HeaderLines {
  const headers = new Headers();
  for (const line of text.split("\n")) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?(.*)$/.exec(line) ?? [];
    // What no header's value holds, the runtime refuses before anything of ours sees it.
    // eslint-disable-next-line no-control-regex
    if (name !== undefined && value !== undefined && /^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      headers.append(name, value);
  }
  return [...headers];
}
