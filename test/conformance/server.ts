/** The server scenarios of the official MCP conformance suite against the real Worker, through real authentication. */
import { spawn } from "node:child_process";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newPerson } from "../support/locker.ts";
import { connect } from "../support/oauth.ts";

/** The revisions whose required scenarios are run. */
export const REVISIONS = ["2025-11-25", "2026-07-28"] as const;
export type Revision = (typeof REVISIONS)[number];

/** How many of the required scenarios passed, and what the suite printed. */
export type ServerResult = { passed: number; total: number; code: number; output: string };

/** Runs the required set of a revision, or one scenario of it. `baseline` names what the production surface is excused from. */
export async function serverConformance(
  locker: LocalLocker,
  revision: Revision,
  { baseline, scenario, output }: { baseline?: string; scenario?: string; output?: string } = {},
): Promise<ServerResult> {
  const person = await newPerson(locker, "conformance");
  const { access_token } = await connect(locker, person, { scope: "vault:read vault:proxy vault:write" });
  const door = await bearerDoor(locker, access_token);
  try {
    const what =
      scenario === undefined ? ["--requirements", revision] : ["--scenario", scenario, "--spec-version", revision];
    const excused = baseline === undefined ? [] : ["--expected-failures", baseline];
    const kept = output === undefined ? [] : ["--output-dir", output];
    return resultOf(await runSuite(["server", "--url", door.url, ...what, ...excused, ...kept]));
  } finally {
    await door.close();
  }
}

/**
 * The suite can show no token, so a door on loopback adds one. It keeps Host and Origin, which the suite lies about on purpose;
 * only where they are the door's own they become the server's.
 */
async function bearerDoor({ publicOrigin }: LocalLocker, token: string) {
  const target = new URL(publicOrigin);
  let own = "";
  const server = createServer((asked: IncomingMessage, answer: ServerResponse) => {
    const headers = { ...asked.headers, authorization: `Bearer ${token}` };
    if (headers.host === own) headers.host = target.host;
    if (headers.origin === `http://${own}`) headers.origin = publicOrigin;
    const { hostname, port } = target;
    const onward = request({ hostname, port, path: asked.url, method: asked.method, headers }, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(answer);
    });
    onward.on("error", () => answer.destroy());
    // A client that closes its stream cancels what it asked for.
    answer.on("close", () => onward.destroy());
    asked.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  own = `localhost:${(server.address() as AddressInfo).port}`;
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://${own}/v1/mcp`, close };
}

export function runSuite(args: readonly string[]): Promise<{ code: number; output: string }> {
  const home = dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json"));
  const child = spawn(process.execPath, [join(home, "dist", "index.js"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const hear = (chunk: Buffer) => (output += chunk.toString());
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code: code ?? 1, output })));
}

/** Counts the scenarios that the revision requires: what else was run is listed as not scored. */
function resultOf({ code, output }: { code: number; output: string }): ServerResult {
  const summary = output.slice(output.indexOf("=== SUMMARY ==="));
  const [scored = "", rest = ""] = summary.split("Not scored for");
  const unscored = new Set([...rest.matchAll(/^\s+[✓✗] (\S+) \(/gm)].map(([, name]) => name));
  const required = [...scored.matchAll(/^([✓✗]) (\S+): /gm)].filter(([, , name]) => !unscored.has(name));
  const passed = required.filter(([, mark]) => mark === "✓").length;
  return { passed, total: required.length, code, output };
}
