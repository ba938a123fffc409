import { capture, commandOf, run } from "./program.mjs";

const TOOLS = [
  {
    name: "tsc",
    finds: "types",
    command: ["typescript", "tsc"],
    args: ["--incremental", "--tsBuildInfoFile", ".build/tsc.tsbuildinfo"],
  },
  {
    // A program for browsers: other globals, and JSX.
    name: "tsc",
    finds: "types of the dashboard",
    command: ["typescript", "tsc"],
    args: ["-p", "src/dashboard", "--incremental", "--tsBuildInfoFile", ".build/tsc.dashboard.tsbuildinfo"],
  },
  { name: "oxlint", finds: "lint", command: ["oxlint"], args: ["--type-aware", "--deny-warnings"] },
  { name: "oxfmt", finds: "format", command: ["oxfmt"], args: ["--check"] },
  { name: "knip", finds: "dead code", command: ["knip"], args: ["--no-progress"] },
];

/** Every static check at once; answers how many failed. */
export async function check(node) {
  const results = await Promise.all(TOOLS.map((tool) => checkWith(node, tool)));
  return results.filter((passed) => !passed).length;
}

/** Repairs what lint and format can repair by themselves. */
export async function fix(node) {
  const lint = await run(node, [commandOf("oxlint"), "--type-aware", "--fix"]);
  const format = await run(node, [commandOf("oxfmt")]);
  return lint === 0 ? format : lint;
}

async function checkWith(node, { name, finds, command, args }) {
  const started = performance.now();
  const { code, output } = await capture(node, [commandOf(...command), ...args]);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const verdict = `${code === 0 ? "✓" : "✗"} ${name.padEnd(6)} ${finds.padEnd(22)} ${seconds} s`;
  console.log(code === 0 ? verdict : `${verdict}\n${output.trimEnd()}\n`);
  return code === 0;
}
