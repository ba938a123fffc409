import assert from "node:assert/strict";
import { ORIGIN } from "./hostile_paths.ts";

/** What a lenient server might take a path for: decoded again and again, backslashes as slashes, parameters cut off, dots folded. */
function* readings(pathname: string): Generator<string> {
  let reading = pathname;
  for (let depth = 0; depth < 6; depth++) {
    const segments: string[] = [];
    for (const segment of reading.replaceAll("\\", "/").split("/")) {
      const [bare = ""] = segment.split(";");
      if (bare === "..") segments.pop();
      else if (bare !== ".") segments.push(bare);
    }
    yield segments.join("/");
    const decoded = reading.replace(/%[0-9a-f]{2}/gi, (escape) =>
      String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
    );
    if (decoded === reading) return;
    reading = decoded;
  }
}

/** The model: a call may only ever go to the key's own origin, under its base path, with nobody's name in front. */
export function assertInside(base_path: string, target: URL): void {
  const sent = new URL(target.href);
  assert.equal(sent.origin, ORIGIN);
  assert.deepEqual([sent.username, sent.password, sent.hash, sent.port], ["", "", "", ""]);
  assert.ok(!sent.pathname.split("/").map(decodeURIComponent).includes(".."), sent.pathname);
  assert.ok(sent.pathname === base_path || sent.pathname.startsWith(`${base_path}/`), sent.pathname);
  if (base_path === "") return;
  for (const reading of readings(sent.pathname)) assert.ok(`${reading}/`.startsWith(`${base_path}/`), reading);
}
