import { serve } from "../../../src/local/serve.ts";
import type { Host } from "./host.ts";
import { bundle } from "./workerd.ts";

/** What a locker of the bench may have besides. */
type Wishes = {
  /** The name of a Worker that stands before the network. */
  neighbour?: string;
  /** Calls are carried by a process that has no vaults of its own. */
  elsewhere?: boolean;
};

/** The product: the bundle that would be deployed, with a state that is thrown away. */
export async function serveLocker({ neighbour, elsewhere = false }: Wishes = {}): Promise<Host> {
  const { publicOrigin, proxyOrigin, stop, ...locker } = await serve({
    port: 0,
    proxyPort: 0,
    oidcPort: 0,
    stateDir: "",
    elsewhere,
    ...(neighbour === undefined ? {} : { neighbour: await bundle(neighbour) }),
  });
  const portOf = (origin: string) => Number(new URL(origin).port);
  return {
    says: { port: portOf(locker.elsewhere ?? proxyOrigin), vaultPort: portOf(proxyOrigin), publicOrigin },
    stop,
  };
}
