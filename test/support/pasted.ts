import { execFile, spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { snippetOf } from "../../src/dashboard/pages/tokens/code.ts";

type Subject = Parameters<typeof snippetOf>[1];

/** What runs the dashboard's code: Node always, Python where the machine has that SDK, which no step of ours installs. */
export function languagesWith(python_package: string): ("node" | "python")[] {
  const has_python = spawnSync("python3", ["-c", `import ${python_package}`]).status === 0;
  return ["node", ...(has_python ? (["python"] as const) : [])];
}

/** Runs the dashboard's code as it is pasted, beside the packages of the tests; answers what it printed. */
export async function runPasted(language: "node" | "python", subject: Subject): Promise<string> {
  const code = snippetOf(language, subject);
  const [program, args] =
    language === "node" ? [process.execPath, ["--input-type=module", "-e", code]] : ["python3", ["-c", code]];
  const { stdout } = await promisify(execFile)(program, args, { cwd: resolve(import.meta.dirname, "..") });
  return stdout.trim();
}
