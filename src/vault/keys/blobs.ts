import { logFault, Problem } from "../../problem.ts";

/** What is kept in KV under names that are written once: sealed secrets, and the shares of data keys. */
export class Blobs {
  readonly #kv: KVNamespace;

  constructor(kv: KVNamespace) {
    this.#kv = kv;
  }

  put(name: string, blob: Uint8Array): Promise<void> {
    return reachable(this.#kv.put(name, blob));
  }

  async get(name: string): Promise<Uint8Array> {
    return new Uint8Array((await reachable(this.#kv.get(name, "arrayBuffer"))) ?? missing());
  }

  async has(name: string): Promise<boolean> {
    return (await this.#kv.get(name, "arrayBuffer")) !== null;
  }

  /** Never fails: one that is left behind by a fault is named by nothing any more, so it is unreachable. */
  async delete(name: string): Promise<void> {
    try {
      await this.#kv.delete(name);
    } catch (fault) {
      logFault("blob_left_behind", fault, { name });
    }
  }
}

async function reachable<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (fault) {
    throw new Problem("unavailable", "The store of sealed secrets could not be reached.", {
      retry_after_s: 2,
      cause: fault,
    });
  }
}

/** KV may not show a new name here yet; it is never a reason to say that the key is gone. */
function missing(): never {
  throw new Problem("unavailable", "The sealed secret is not to be read here yet.", { retry_after_s: 5 });
}
