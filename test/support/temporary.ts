import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Around a whole run: what tests and the runtimes of their lockers leave in the temporary folder goes with it, whoever was ended how. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "apilocker-tests-"));
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
