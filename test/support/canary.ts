import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Every spelling of a text that a leak could have: as it is, and as programs write it down. */
function spellings(text: string): [how: string, bytes: Buffer][] {
  const bytes = Buffer.from(text);
  // Base64 of a text in the middle of something: three ways to begin, and the ends belong to the neighbours.
  const base64 = [0, 1, 2].flatMap((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    const own = whole.slice(before === 0 ? 0 : 4, -4);
    return [own, own.replaceAll("+", "-").replaceAll("/", "_")];
  });
  const hex = bytes.toString("hex");
  return [
    ["as it is", bytes],
    ["as UTF-16", Buffer.from(text, "utf16le")],
    ["percent-encoded", Buffer.from(encodeURIComponent(text))],
    ["in JSON", Buffer.from(JSON.stringify(text).slice(1, -1))],
    ["in JSON in JSON", Buffer.from(JSON.stringify(JSON.stringify(text).slice(1, -1)).slice(1, -1))],
    ["in hex", Buffer.from(hex)],
    ["in upper-case hex", Buffer.from(hex.toUpperCase())],
    ...base64.map((one): [string, Buffer] => ["in base64", Buffer.from(one)]),
  ];
}

/** Where any of these texts is found, in any spelling. */
export function foundIn(places: ReadonlyMap<string, Buffer>, canaries: Record<string, string>): string[] {
  const wanted = Object.entries(canaries).map(([what, text]) => [what, spellings(text)] as const);
  return [...places].flatMap(([place, bytes]) =>
    wanted.flatMap(([what, each]) => {
      const found = each.find(([, spelled]) => bytes.includes(spelled));
      return found === undefined ? [] : [`${what} ${found[0]} in ${place}`];
    }),
  );
}

/** Every file under a folder, with what is in it. */
export async function filesOf(folder: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(files.map(async (file) => [file.slice(folder.length), await readFile(file)] as const)),
  );
}
