/**
 * The authorization-server scenarios of the official MCP conformance suite against the real Worker. The suite prints an address and
 * waits for its callback; here a person who is signed in opens it and consents, so that the code grant really runs.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createServer, type AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newPerson } from "../support/locker.ts";
import { consent, registerClient, resourceOf } from "../support/oauth.ts";

/** How many checks passed of how many, and what the suite printed. What it skipped it prints with a tick, and has not tried. */
export type AuthorizationResult = { passed: number; total: number; skipped: number; output: string };

/** Runs every scenario in one go: the code grant builds on what discovery has found. */
export async function authorizationConformance(locker: LocalLocker): Promise<AuthorizationResult> {
  const port = await freePort();
  const redirect_uris = [`http://127.0.0.1:${port}/callback`];
  const { client_id } = await registerClient(locker, { client_name: "Conformance", redirect_uris });
  const asked = ["--client-id", client_id, "--resource", resourceOf(locker), "--port", String(port)];
  const output = await runSuite(locker, asked);
  const [, passed = 0, failed = 0] = /Total: (\d+) passed, (\d+) failed/.exec(output)?.map(Number) ?? [];
  return { passed, total: passed + failed, skipped: output.match(/skipped/gi)?.length ?? 0, output };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

async function runSuite(locker: LocalLocker, more: readonly string[]): Promise<string> {
  const person = await newPerson(locker, "conformance");
  const home = dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json"));
  const args = [join(home, "dist", "index.js"), "authorization", "--url", locker.publicOrigin, ...more];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let opened = false;
  const hear = (chunk: Buffer): void => {
    output += chunk.toString();
    const [address] = /https?:\/\/\S+\/authorize\?\S+/.exec(output) ?? [];
    if (address === undefined || opened) return;
    opened = true;
    const { pathname, search } = new URL(address);
    void consent(person, pathname + search)
      .then((back) => fetch(back))
      .catch((fault: unknown) => {
        output += `\nconsenting: ${String(fault)}\n`;
        child.kill();
      });
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  await new Promise((resolve) => child.on("close", resolve));
  return output;
}
