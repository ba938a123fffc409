import type { LocalLocker } from "../../src/local/serve.ts";
import { startLocker } from "./locker.ts";

const PATH = "/questions-of-a-test";

/** Stands in front of the deployed bundle, and notes what is asked of vaults' objects: methods over RPC, and `fetch`. */
const FRONT = `
import worker, { McpSession as Session, UserVault } from "./index.js";
let asked = [];
const noting = (vault, stub) => new Proxy(stub, {
  get: (target, method) => (...given) => {
    asked.push({ vault, method });
    return target[method](...given);
  },
});
const known = new WeakMap();
function noted(env) {
  if (!known.has(env)) {
    const USER_VAULT = { getByName: (name) => noting(name, env.USER_VAULT.getByName(name)) };
    known.set(env, { ...env, USER_VAULT });
  }
  return known.get(env);
}
class McpSession extends Session {
  constructor(ctx, env) { super(ctx, noted(env)); }
}
export { McpSession, UserVault };
export default {
  fetch(request, env, ctx) {
    if (!request.url.endsWith("${PATH}")) return worker.fetch(request, noted(env), ctx);
    return Response.json(asked.splice(0));
  },
};
`;

/** The whole product, which tells what its router has asked of vaults. */
export function startNotingLocker(): Promise<LocalLocker> {
  return startLocker({ front: FRONT });
}

/** What a token's vault was asked since this was asked last. */
export async function questions({ publicOrigin }: LocalLocker, { token }: { token: string }): Promise<string[]> {
  const answer = await fetch(publicOrigin + PATH);
  const asked = await answer.json<{ vault: string; method: string }[]>();
  return asked.filter(({ vault }) => token.slice(10, 34) === vault).map(({ method }) => method);
}
