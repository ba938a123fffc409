import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Failure } from "./failure.ts";

/** What a project needs: names of keys and nothing secret, so the file may be committed. */
export type RcFile = { path: string; keys: string[] };

export const RC_NAME = ".apilockerrc";

/** The nearest `.apilockerrc` at or above a folder, up to the home folder or the root. */
export async function findRc(from: string, home = homedir()): Promise<RcFile | undefined> {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const path = join(folder, RC_NAME);
    try {
      return { path, keys: parseRc(await readFile(path, "utf8"), path) };
    } catch (fault) {
      const { code = "" } = fault as NodeJS.ErrnoException;
      if (!["ENOENT", "ENOTDIR", "EISDIR", "EACCES"].includes(code)) throw fault;
    }
    if (folder === home || folder === dirname(folder)) return undefined;
  }
}

const KEY = /^[A-Za-z0-9._-]{1,64}(@[A-Za-z0-9._-]{1,32})?$/;

/** `keys:` with `- name` lines, or just one name a line; `#` begins a comment. */
export function parseRc(text: string, path = RC_NAME): string[] {
  const keys: string[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    const line = raw.replace(/(^|\s)#.*$/, "").trim();
    if (line === "" || line === "keys:" || line === "---") continue;
    const name = line.replace(/^-\s+/, "").replace(/^(["'])(.*)\1$/, "$2");
    if (!KEY.test(name)) throw new Failure(`${path}:${index + 1}: ${JSON.stringify(line)} is not the name of a key.`);
    if (!keys.includes(name)) keys.push(name);
  }
  return keys;
}

export function rcText(keys: readonly string[]): string {
  return `# Keys that this project needs. There is no secret in here: commit it.\nkeys:\n${keys.map((key) => `  - ${key}\n`).join("")}`;
}
