import { serve } from "../../../src/local/serve.ts";
import type { Host } from "./host.ts";

/** The product: the bundle that would be deployed, with a state that is thrown away. */
export async function serveLocker(): Promise<Host> {
  const { publicOrigin, proxyOrigin, stop } = await serve({ port: 0, proxyPort: 0, oidcPort: 0, stateDir: "" });
  return { says: { port: Number(new URL(proxyOrigin).port), publicOrigin }, stop };
}
