import { Problem } from "../../problem.ts";
import { newIds } from "../ids.ts";
import type { AllowedCall, AskRule, Policy } from "../policy/policy.ts";
import { withinSql, type Reach } from "../policy/reach.ts";
import { allowing } from "../policy/rules.ts";
import { grantsScope, type Scope } from "../policy/scopes.ts";
import { asksLess } from "../policy/wider.ts";

/** How a client presented itself when the person said yes. `registration` tells how we came to know it. */
export type ClientSnapshot = {
  registration: "document" | "registered" | "first_party";
  name: string;
  homepage: string | null;
  logo: string | null;
  redirect_uris: readonly string[];
};

/**
 * What a person has let an OAuth client do. Times are epoch milliseconds; `keys` null means every key, later ones too; `ask` are the
 * calls before which they want to be asked, null where none.
 */
export type Grant = {
  id: string;
  client_id: string;
  client: ClientSnapshot;
  scopes: readonly Scope[];
  keys: readonly string[] | null;
  ask: AskRule | null;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  uses: number;
  refused: number;
  paused_at: number | null;
  revoked_at: number | null;
};

export type NewGrant = Pick<Grant, "client_id" | "client" | "scopes" | "keys" | "ask" | "expires_at">;

/** What a grant is narrowed to; absent stays. */
export type Narrowing = {
  scopes?: readonly Scope[] | undefined;
  keys?: readonly string[] | undefined;
  ask?: AskRule | undefined;
  expires_at?: number | undefined;
};

const GRANTS_LIMIT = 500;

type Row = Omit<Grant, "client" | "scopes" | "keys" | "ask"> & {
  client: string;
  scopes: string;
  keys: string | null;
  ask: string | null;
};

/** Table `grant`. Every install of a client has grants of its own: nothing is ever done to all grants of a `client_id`. */
export class Grants {
  readonly #sql: SqlStorage;
  readonly #newId = newIds();
  readonly #by_id = new Map<string, Grant>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The grant of that id, dead or alive. */
  find(id: string): Grant | undefined {
    const known = this.#by_id.get(id);
    if (known !== undefined) return known;
    const [grant] = this.#select("id = ?", id);
    if (grant !== undefined) this.#by_id.set(id, grant);
    return grant;
  }

  must(id: string): Grant {
    const grant = this.find(id);
    if (grant === undefined) throw new Problem("not_found", "There is no such grant.");
    return grant;
  }

  /** Live grants, newest first, below the id `before`. */
  list(before: string | undefined, limit: number, now: number, reach: Reach = null): Grant[] {
    const live = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)";
    const { where, values } = withinSql("keys", reach);
    const page = "ORDER BY id DESC LIMIT +?";
    return this.#select(`id < ? AND ${live} AND ${where} ${page}`, before ?? "~", now, ...values, limit);
  }

  add({ client_id, client, scopes, keys, ask, expires_at }: NewGrant, now: number): Grant {
    this.assertRoom(now);
    const id = this.#newId("grt", now);
    this.#sql.exec(
      "INSERT INTO grant (id, client_id, client, scopes, keys, ask, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      id,
      client_id,
      JSON.stringify(client),
      JSON.stringify(scopes),
      keys === null ? null : JSON.stringify(keys),
      ask === null ? null : JSON.stringify(ask),
      now,
      expires_at,
    );
    return this.must(id);
  }

  /** Refuses where a vault holds as many live grants as it may. */
  assertRoom(now: number): void {
    if (this.list(undefined, GRANTS_LIMIT, now).length >= GRANTS_LIMIT)
      throw new Problem("conflict", "A vault holds no more live grants; revoke some first.");
  }

  narrow({ id, scopes, keys, ask, expires_at }: Grant, to: Narrowing): Grant {
    const left = { scopes: to.scopes ?? scopes, keys: to.keys ?? keys, expires_at: to.expires_at ?? expires_at };
    this.#write(
      id,
      "scopes = ?, keys = ?, expires_at = ?",
      JSON.stringify(left.scopes),
      left.keys === null ? null : JSON.stringify(left.keys),
      left.expires_at,
    );
    // To what somebody has said always stays allowed.
    if (to.ask !== undefined) this.#ask(id, { ...to.ask, allowed: ask?.allowed });
    return this.must(id);
  }

  /** Writes that this address need not be asked for any more. */
  allowAlways(id: string, call: AllowedCall): void {
    const { ask } = this.must(id);
    if (ask !== null) this.#ask(id, allowing(ask, call));
  }

  revoke(id: string, now: number): void {
    this.#write(id, "revoked_at = coalesce(revoked_at, ?)", now);
  }

  /** Takes back the end of a grant; of its tokens nothing is said. */
  reinstate(id: string): void {
    this.#write(id, "revoked_at = NULL");
  }

  pause(id: string, now: number): void {
    this.#write(id, "paused_at = coalesce(paused_at, ?)", now);
  }

  resume(id: string): void {
    this.#write(id, "paused_at = NULL");
  }

  /** Adds what rows that leave for D1 say about a grant's use. */
  addUse(id: string, uses: number, refused: number, last_used_at: number | null): void {
    this.#write(
      id,
      "uses = uses + ?, refused = refused + ?, last_used_at = max(coalesce(last_used_at, 0), coalesce(?, last_used_at))",
      uses,
      refused,
      last_used_at,
    );
  }

  #ask(id: string, ask: AskRule): void {
    this.#write(id, "ask = ?", JSON.stringify(ask));
  }

  #write(id: string, set: string, ...values: SqlStorageValue[]): void {
    this.#sql.exec(`UPDATE grant SET ${set} WHERE id = ?`, ...values, id);
    this.#by_id.delete(id);
  }

  #select(where: string, ...values: SqlStorageValue[]): Grant[] {
    return this.#sql
      .exec<Row>(`SELECT * FROM grant WHERE ${where}`, ...values)
      .toArray()
      .map((row) => ({
        ...row,
        client: JSON.parse(row.client) as ClientSnapshot,
        scopes: JSON.parse(row.scopes) as Scope[],
        keys: row.keys === null ? null : (JSON.parse(row.keys) as string[]),
        ask: row.ask === null ? null : (JSON.parse(row.ask) as AskRule),
      }));
  }
}

/** Refuses whatever would be more than the grant is now. */
export function assertNarrower(grant: Grant, { scopes = [], keys, ask, expires_at }: Narrowing): void {
  const more: { field: string; rule: string }[] = [];
  for (const scope of scopes)
    if (!grantsScope(grant.scopes, scope)) more.push({ field: "scopes", rule: `must not add ${scope}` });
  if (grant.keys !== null)
    for (const key of keys ?? [])
      if (!grant.keys.includes(key)) more.push({ field: "keys", rule: `must not add ${key}` });
  if (ask !== undefined && grant.ask !== null && asksLess(grant.ask, { ...ask, allowed: grant.ask.allowed }))
    more.push({ field: "ask", rule: "must not ask less than it does" });
  if (expires_at !== undefined && expires_at > (grant.expires_at ?? Infinity))
    more.push({ field: "expires_at", rule: "must not be later than it is" });
  if (more.length > 0) throw new Problem("invalid_request", "A grant can only be narrowed.", { errors: more });
}

/** What an access token may do: no more than its grant does at this moment, whatever it said when the token was made. */
export function policyUnder(grant: Grant, { scopes = grant.scopes }: Policy): Policy {
  return {
    scopes: scopes.filter((scope) => grantsScope(grant.scopes, scope)),
    keys: grant.keys ?? undefined,
  };
}

/** What is said of all calls under a grant or a device by a person who wants to be asked; of all else its tokens' own policies speak. */
export function askOf(keys: readonly string[] | null, ask: AskRule): Policy {
  return { keys: keys ?? undefined, ask, allow_credential_endpoints: true };
}

/**
 * What an app token that was minted under a grant may do: its own policy, with the grant's keys at most, and nothing that the grant is
 * not for at this moment (SECURITY S3).
 */
export function policyWithin({ keys, scopes }: Grant, policy: Policy): Policy {
  const within = keys === null ? policy : { ...policy, keys: policy.keys?.filter((id) => keys.includes(id)) ?? keys };
  return FOR_APPS.every((scope) => grantsScope(scopes, scope)) ? within : { ...within, scopes };
}

/** What app tokens do: they see which keys they reach, call with them, and make narrower ones of their kind. */
const FOR_APPS: readonly Scope[] = ["vault:read", "vault:proxy", "vault:write"];
