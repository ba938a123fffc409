import { createHash, timingSafeEqual } from "node:crypto";
import { Hono } from "hono";
import { mustShowBearer } from "../auth/bearer.ts";
import { limitAddress } from "../auth/limit.ts";
import { originOf } from "../auth/origin.ts";
import { configOf } from "../config.ts";
import { accountsUnderOtherRoots, countUnderOtherRoots, noteRoot } from "../directory/roots.ts";
import { JSON_HEADERS } from "../json.ts";
import { logFault, Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";

const VAULTS_A_GO = 100;
const VAULTS_AT_ONCE = 10;
const HEALTH_MS = 10_000;
const NOBODY = "health";

type Health = { d1: boolean; kv: boolean; vault: boolean };

let health: { at: number; found: Health } | undefined;

/**
 * What whoever runs the deployment may ask, by a secret of its own (`OPERATOR_TOKEN`); without one there is nothing here. It reads
 * and changes nothing of anybody's account but under which key it is wrapped.
 */
export const operator = new Hono<{ Bindings: Env }>()
  .get("/health", ({ json }) => json({ ok: true }, 200, JSON_HEADERS))
  .use("/health/deep", async ({ env, req }, next) => {
    await assertOperator(env, req.raw);
    await next();
  })
  .use("/operator/*", async ({ env, req }, next) => {
    await assertOperator(env, req.raw);
    await next();
  })
  .get("/health/deep", async ({ env, json }) => {
    if (health === undefined || Date.now() - health.at > HEALTH_MS) health = { at: Date.now(), found: await look(env) };
    const ok = Object.values(health.found).every(Boolean);
    return json({ ok, ...health.found }, ok ? 200 : 503, JSON_HEADERS);
  })
  .post("/operator/rotate-root", async ({ env, req, json }) => {
    const root_id = configOf(env).root_keys.current.id;
    const accounts = await accountsUnderOtherRoots(env.DB, root_id, req.query("after") ?? "", VAULTS_A_GO);
    const done: string[] = [];
    for (let at = 0; at < accounts.length; at += VAULTS_AT_ONCE) {
      const some = accounts.slice(at, at + VAULTS_AT_ONCE);
      const wrapped = await Promise.all(some.map(({ vault_id }) => rewrap(env, vault_id)));
      done.push(...some.filter((_account, index) => wrapped[index] === root_id).map(({ id }) => id));
    }
    await noteRoot(env.DB, done, root_id);
    const left = await countUnderOtherRoots(env.DB, root_id);
    // One that cannot be wrapped now is passed by, and is still there for the next sweep.
    return json({ root_id, rewrapped: done.length, left, next: accounts.at(-1)?.id }, 200, JSON_HEADERS);
  })
  .post("/operator/vaults/:id/rotate-data-key", async ({ env, req, json }) =>
    json(await ask(env.USER_VAULT.getByName(req.param("id")).rotateDataKey()), 200, JSON_HEADERS),
  )
  .post("/operator/vaults/:id/restored", async ({ env, req, json }) =>
    json(await ask(env.USER_VAULT.getByName(req.param("id")).restored()), 200, JSON_HEADERS),
  );

/** Under which root key the vault is wrapped now; undefined where it could not be. */
async function rewrap(env: Env, vault_id: string): Promise<string | undefined> {
  try {
    return (await ask(env.USER_VAULT.getByName(vault_id).rewrap())).root_id;
  } catch (fault) {
    logFault("not_rewrapped", fault);
    return undefined;
  }
}

async function assertOperator(env: Env, request: Request): Promise<void> {
  const { operator_token } = configOf(env);
  if (operator_token === undefined) throw new Problem("not_found", "Nothing is served at this path.");
  const limited = { of: "operator", detail: "Too many requests from your address." };
  await limitAddress(env.SIGN_IN_LIMIT, originOf(request).ip, limited);
  const given = mustShowBearer(request, "This needs the operator's token.");
  if (!timingSafeEqual(digest(given), digest(operator_token)))
    throw new Problem("invalid_token", "This needs the operator's token.");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Whether each store answers, and nothing else of it. */
async function look(env: Env): Promise<Health> {
  const [d1, kv, vault] = await Promise.all([
    answers("d1", () => env.DB.prepare("SELECT 1 FROM account LIMIT 1").all()),
    answers("kv", () => env.BLOBS.get(NOBODY)),
    answers("vault", () => env.USER_VAULT.getByName(NOBODY).settle([])),
  ]);
  return { d1, kv, vault };
}

async function answers(what: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (fault) {
    logFault("unhealthy", fault, { what });
    return false;
  }
}
