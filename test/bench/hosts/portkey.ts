import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { choosePort } from "../../../src/local/loopback.ts";
import type { Host } from "./host.ts";
import { runServer } from "./program.ts";

/** Portkey's gateway, the peer that is most in use; a test-only package. */
export async function servePortkey(): Promise<Host> {
  const home = find("@portkey-ai/gateway");
  if (home === undefined) return { skipped: "@portkey-ai/gateway is not installed in test/" };
  const port = await choosePort(0);
  const args = [join(home, "build", "start-server.js"), `--port=${port}`, "--headless"];
  const { stop } = await runServer(process.execPath, args, port, {
    TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost",
    NODE_ENV: "production",
  });
  return { says: { port }, stop };
}

function find(name: string): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}
