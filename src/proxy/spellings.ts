/** Every single-coded spelling of a text: as it is, hex, JSON-escaped, percent-escaped, and base64 at any alignment. */
export function spellings(text: string): string[] {
  const bytes = Buffer.from(text, "utf8");
  const json = JSON.stringify(text).slice(1, -1);
  const percent = encodeURIComponent(text);
  const units = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at).toString(16).padStart(4, "0"));
  return [
    bytes.toString("latin1"),
    bytes.toString("hex"),
    Buffer.from(json).toString("latin1"),
    Buffer.from(json.replaceAll("/", "\\/")).toString("latin1"),
    units.map((unit) => `\\u${unit}`).join(""),
    percent,
    percent.replaceAll("%20", "+"),
    [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
    ...base64Alignments(bytes),
  ];
}

/** Base64 of the bytes within longer data, both alphabets: for each alignment, what does not depend on its neighbours. */
export function base64Alignments(bytes: Buffer): string[] {
  const aligned = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    const first = Math.ceil((offset * 8) / 6);
    const last = Math.floor(((offset + bytes.length) * 8) / 6);
    return text.slice(first, last);
  });
  return aligned.flatMap((text) => [text, text.replaceAll("+", "-").replaceAll("/", "_")]);
}
