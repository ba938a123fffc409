/// <reference types="vite/types/importMeta.d.ts" />
/** A vault inside the runtime: for tests that evict objects, run alarms, move the clock and look into storage. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { configOf } from "../../src/config.ts";
import { issueTokens } from "../../src/vault/tokens/access_tokens.ts";
import type { NewGrant } from "../../src/vault/tokens/grants.ts";
import { held } from "../../src/vault/surface.ts";
import { newVaultId, verifyToken } from "../../src/crypto/token.ts";
import { ask } from "../../src/vault/answer.ts";
import type { AuditRow, ChainHeads, Decision, Origin, Settled } from "../../src/vault/audit/row.ts";
import type { Caller } from "../../src/vault/tokens/caller.ts";
import type { Ask, Dispatch } from "../../src/vault/calls/dispatch.ts";
import type { Identity } from "../../src/vault/account/identities.ts";
import type { ApiKey, NewKey } from "../../src/vault/keys/key.ts";
import type { Policy } from "../../src/vault/policy/policy.ts";
import type { PolicyInput } from "../../src/vault/policy/resolve_policy.ts";
import type { UserVault } from "../../src/vault/vault.ts";

export const ORIGIN: Origin = { ip: "192.0.2.1", country: "NZ", user_agent: "test" };

/** A call of somebody's, as it is recorded before it is made. */
export const CALLED = { actor: { kind: "app", id: "tok_1", name: "t" }, action: "proxy.call", ...ORIGIN } as const;

export const ADA: Identity = {
  issuer: "https://id.example",
  subject: "ada",
  email: "ada@example.com",
  email_verified: true,
  name: "Ada",
};

/** A vault with somebody signed in. */
export type Vault = { id: string; stub: DurableObjectStub<UserVault>; account_id: string; ada: Caller };

/** An app token: its text, its id, and what the vault knows it by. */
export type App = { token: string; id: string; hash: string };

export type Row = { seq: number; decision: Decision; outcome: Settled | undefined; pending: boolean };

const MIGRATIONS = import.meta.glob<string>("../../src/directory/migrations/*.sql", {
  query: "?raw",
  import: "default",
  eager: true,
});

/** D1 as a deployment has it; storage is fresh for every test file. */
export async function createDirectory(): Promise<void> {
  for (const name of Object.keys(MIGRATIONS).toSorted()) await env.DB.prepare(MIGRATIONS[name] ?? "").run();
}

export async function newVault(): Promise<Vault> {
  const id = newVaultId();
  const account_id = `acc_${id}`;
  const stub = env.USER_VAULT.getByName(id);
  await ask(stub.create(account_id, ADA));
  return { id, stub, account_id, ada: await signIn(stub, account_id) };
}

/** A fresh session, and what an operation's handler would say about its caller. */
export async function signIn(stub: DurableObjectStub<UserVault>, account_id: string): Promise<Caller> {
  const { token } = await ask(stub.signIn(account_id, ADA, ORIGIN));
  const { hash } = verifyToken(configOf(env).token_keys, token);
  return { hash, kind: "ses", may: ["session", "device"], origin: ORIGIN };
}

export function keyNamed(name: string, more: Partial<NewKey> = {}): NewKey {
  const destination = {
    provider: "custom",
    origin: "https://api.example",
    base_path: "",
    placement: { in: "bearer" } as const,
    headers: {},
  };
  return { name, tags: [], note: null, scrub: false, revealable: false, expires_at: null, destination, ...more };
}

export function storeKey({ stub, ada }: Vault, name: string, secret = `sk-${name}`): Promise<ApiKey> {
  return ask(stub.createKey(ada, keyNamed(name), { secret }));
}

export async function mintApp({ stub, ada }: Vault, policy: Policy & { expires_at?: number } = {}): Promise<App> {
  const { token, row } = await ask(stub.createToken(ada, "app", policy));
  return { token, id: row.id, hash: verifyToken(configOf(env).token_keys, token).hash };
}

/** A token that was derived from another. */
export async function derive(
  { stub }: Vault,
  parent: Pick<App, "hash">,
  policy: PolicyInput = {},
  name = "child",
): Promise<App> {
  const by: Caller = { hash: parent.hash, kind: "app", may: ["app"], origin: ORIGIN };
  const { token, row } = await ask(stub.deriveToken(by, name, policy));
  return { token, id: row.id, hash: verifyToken(configOf(env).token_keys, token).hash };
}

/** A client that was granted something, with an access token. `grant_id` is the grant's, `id` the token's. */
export async function grantTo(vault: Vault, wishes: Partial<NewGrant> = {}): Promise<App & { grant_id: string }> {
  const client = {
    registration: "registered",
    name: "Agent",
    homepage: null,
    logo: null,
    redirect_uris: ["https://agent.example/callback"],
  } as const;
  const scopes = ["vault:read", "vault:proxy"] as const;
  return inside(vault, (object) => {
    const parts = object[held];
    if (parts === undefined) throw new Error("there is no vault");
    const now = Date.now();
    const grant = parts.grants.add(
      { client_id: "cli_a", client, scopes, keys: null, ask: null, expires_at: null, ...wishes },
      now,
    );
    const { token } = issueTokens(parts, grant, undefined, ORIGIN, now);
    const { hash } = verifyToken(configOf(env).token_keys, token);
    return { token, hash, id: parts.tokens.byHash(hash)?.id ?? "", grant_id: grant.id };
  });
}

/** The first tokens of a grant as clients have them: an access token, and a refresh token beside. */
export function issueTo(vault: Vault, grant_id: string): Promise<App & { refresh_token: string }> {
  return inside(vault, async (object) => {
    const parts = object[held];
    const grant = parts?.grants.find(grant_id);
    if (parts === undefined || grant === undefined) throw new Error("there is no such grant");
    const key = await parts.families.keys.prepare();
    const { token, refresh_token = "" } = issueTokens(parts, grant, key, ORIGIN, Date.now());
    const { hash } = verifyToken(configOf(env).token_keys, token);
    return { token, hash, id: parts.tokens.look(hash)?.id ?? "", refresh_token };
  });
}

/** The usual beginning: a vault with the key `k` and a token that may do anything with it, or what its policy says. */
export async function vaultWithKey(policy: Policy = {}): Promise<{ vault: Vault; app: App }> {
  const vault = await newVault();
  await storeKey(vault, "k");
  return { vault, app: await mintApp(vault, policy) };
}

type NewDevice = Parameters<UserVault["approveDevice"]>[1];

/** A computer as its owner approves it; `code_hash` is of the code that it shows. */
export function laptop(code_hash: string, more: Partial<NewDevice> = {}): NewDevice {
  return { code_hash, name: "laptop", platform: "linux", policy: {}, reveal: "none", proof: null, ...more };
}

/** A device that was approved: as a caller, and as something that makes calls. */
export async function signInDevice(
  { stub, ada }: Vault,
  more: Partial<NewDevice> = {},
): Promise<{ device: Caller; app: App }> {
  const wish = laptop(crypto.randomUUID(), more);
  await ask(stub.approveDevice(ada, wish));
  const { token, id } = await ask(stub.redeemDevice({ code_hash: wish.code_hash, proof: null }, ORIGIN));
  const { hash, kind } = verifyToken(configOf(env).token_keys, token);
  return { device: { hash, kind, may: ["session", "device"], origin: ORIGIN }, app: { token, id, hash } };
}

export function askFor(app: App, key: string | null, more: Partial<Ask> = {}): Ask {
  return { hash: app.hash, key, method: "GET", path: "/v1/things", overridden: false, ...ORIGIN, ...more };
}

export function authorize({ stub }: Vault, app: App, key: string | null, more: Partial<Ask> = {}): Promise<Dispatch> {
  return ask(stub.authorize(askFor(app, key, more), []));
}

/** Calls that end at once, made within the object: the way to it takes longer than they do. */
export function callAndSettle(vault: Vault, app: App, times: number): Promise<void> {
  return inside(vault, async (object) => {
    for (let i = 0; i < times; i++) {
      const { seq } = await ask(object.authorize(askFor(app, "k"), []));
      object.settle([{ seq, outcome: "ok", status: 200 }]);
    }
  });
}

/** How a call was refused: the problem's code and the rule, or `accepted`. */
export async function refusalOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "accepted";
  } catch (thrown) {
    const { code, extras } = thrown as { code: string; extras?: { rule?: string } };
    return extras?.rule === undefined ? code : `${code} ${extras.rule}`;
  }
}

export function inside<T>(
  { stub }: Vault,
  work: (vault: UserVault, state: DurableObjectState) => T | Promise<T>,
): Promise<T> {
  return runInDurableObject(stub, work);
}

/** Rows of a query inside the vault. */
export function sql<T = Record<string, SqlStorageValue>>(
  vault: Vault,
  query: string,
  ...values: SqlStorageValue[]
): Promise<T[]> {
  return inside(vault, (_vault, { storage }) => storage.sql.exec(query, ...values).toArray() as T[]);
}

/** The outbox, oldest first. */
export async function outbox(vault: Vault): Promise<Row[]> {
  const rows = await sql<AuditRow & { pending: number }>(vault, "SELECT * FROM audit ORDER BY seq");
  return rows.map(readRow);
}

/** The outbox's rows about calls. */
export async function calls(vault: Vault): Promise<Row[]> {
  return (await outbox(vault)).filter(({ decision }) => decision.action.startsWith("proxy."));
}

/** The rows in D1, oldest first. */
export async function archive({ id }: Vault): Promise<AuditRow[]> {
  const { results } = await env.DB.prepare("SELECT * FROM audit WHERE vault_id = ? ORDER BY seq")
    .bind(id)
    .all<AuditRow>();
  return results;
}

function readRow(row: AuditRow & { pending?: number }): Row {
  const outcome = row.outcome === null ? undefined : (JSON.parse(row.outcome) as Settled);
  return { seq: row.seq, decision: JSON.parse(row.decision) as Decision, outcome, pending: row.pending === 1 };
}

/** All rows wherever they are, newest first, and the heads that they must lead to. */
export async function wholeLog(vault: Vault): Promise<{ rows: AuditRow[]; heads: ChainHeads }> {
  const { rows, heads } = await ask(vault.stub.activity(vault.ada, Number.MAX_SAFE_INTEGER, 100_000, {}));
  const held = new Set(rows.map(({ seq }) => seq));
  return { rows: [...rows, ...(await archive(vault)).filter(({ seq }) => !held.has(seq))], heads };
}

/** The object's memory goes, its storage and its sleeping connections stay. */
export async function evict(vault: Vault): Promise<void> {
  // Only what is awake can be put to sleep.
  await inside(vault, () => {});
  await evictDurableObject(vault.stub);
}

/** Moves every clock of the runtime. */
export function travel(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

/** Runs the vault's alarm now, if one is set. */
export function runAlarm({ stub }: Vault): Promise<boolean> {
  return runDurableObjectAlarm(stub);
}

/** Lets the time pass that a job waits for, and runs it. */
export async function runAlarmAfter(vault: Vault, ms: number): Promise<boolean> {
  travel(ms);
  return runAlarm(vault);
}

/** What happens while D1 takes no rows, and asks for none. */
export async function withoutD1<T>(work: () => Promise<T>): Promise<T> {
  await env.DB.prepare("ALTER TABLE audit RENAME TO audit_away").run();
  try {
    return await work();
  } finally {
    await env.DB.prepare("ALTER TABLE audit_away RENAME TO audit").run();
  }
}
