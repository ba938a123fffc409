import { serve } from "../../../src/local/serve.ts";
import type { Host } from "./host.ts";
import { bundle } from "./workerd.ts";

/** The product: the bundle that would be deployed, with a state that is thrown away. `neighbour` names a Worker that stands before the network. */
export async function serveLocker(neighbour?: string): Promise<Host> {
  const { publicOrigin, proxyOrigin, stop } = await serve({
    port: 0,
    proxyPort: 0,
    oidcPort: 0,
    stateDir: "",
    ...(neighbour === undefined ? {} : { neighbour: await bundle(neighbour) }),
  });
  return { says: { port: Number(new URL(proxyOrigin).port), publicOrigin }, stop };
}
