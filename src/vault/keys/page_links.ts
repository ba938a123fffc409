import { createHash, randomBytes } from "node:crypto";
import { Problem } from "../../problem.ts";
import { actorOf } from "../tokens/actor.ts";
import { recognise, type Caller } from "../tokens/caller.ts";
import { dropQuestions, type Deed } from "./agreement.ts";
import { assertAskerStands } from "./asker.ts";
import { rotateKey } from "./change_keys.ts";
import type { ApiKey, Destination, NewKey } from "./key.ts";
import { createKey } from "./manage_keys.ts";
import { createToken, type CreatedToken, type Rotation } from "../tokens/manage_tokens.ts";
import { record, type Parts } from "../parts.ts";
import { resolvePolicy, type PolicyInput } from "../policy/resolve_policy.ts";
import { revealKeys } from "./reveal.ts";
import { grantsScope, type Scope } from "../policy/scopes.ts";
import { withinDevice } from "../policy/within.ts";
import type { Secret } from "./sealer.ts";

/** What a person is asked to do on a page of ours, because no program and no model may see what passes there. */
type Errand =
  | { kind: "store"; key: NewKey }
  | { kind: "rotate"; key_id: string; version: number }
  | { kind: "reveal"; key_id: string }
  | { kind: "mint"; name: string; policy: PolicyInput; rotation: Rotation }
  /** They do nothing but agree: whoever asked comes again and does it. */
  | ({ kind: "agree"; key_id?: string | undefined } & Deed);

/** The same as it is asked for: keys by name or id. */
export type Wish =
  | Extract<Errand, { kind: "store" | "mint" }>
  | ({ kind: "agree" } & Deed)
  | { kind: "rotate"; key: string }
  | { kind: "reveal"; key: string };

/** What a page shows: what it is about, where a secret that is typed there will go, and who asked (SECURITY S2). */
export type ShownPage = { asked_by: string } & (
  | { kind: "store"; name: string; destination: Destination }
  | { kind: "rotate"; key: ApiKey; destination: Destination }
  | { kind: "reveal"; key: ApiKey }
  | { kind: "mint"; name: string; policy: PolicyInput; keys: string[] | null; rotation: Rotation }
  | ({ kind: "agree" } & Deed)
);

/** What came of it, for the person's eyes. */
export type Done =
  | { kind: "store" | "rotate"; key: ApiKey }
  | { kind: "reveal"; key: ApiKey; secret: Secret }
  | { kind: "mint"; minted: CreatedToken }
  | { kind: "agree" };

const LIFE_MS = 10 * 60_000;
/** Pages that are open at once, in all and of one that asks for them: nobody keeps others from asking. */
const [OPEN_AT_ONCE, OPEN_OF_ONE] = [100, 20];
const SCOPES: Record<Errand["kind"], Scope> = {
  store: "vault:write",
  rotate: "vault:write",
  reveal: "vault:reveal",
  mint: "vault:write",
  agree: "vault:write",
};

type Link = { errand: Errand; asked_by: string; asked_by_id: string };

/** Makes a one-time page for this vault's person. Whatever is wrong with the wish is said now, while whoever asks is listening. */
export function createPageLink(parts: Parts, caller: Caller, wish: Wish): { handle: string; expires_at: number } {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const errand = errandOf(parts, wish);
  if (errand.kind === "mint") termsOf(parts, errand, actorOf(by).id);
  parts.sql.exec("DELETE FROM page_link WHERE expires_at <= ?", now);
  // A model that asks for the same again and again leaves one page, not many.
  if (errand.kind === "agree") dropQuestions(parts, by, errand);
  const { n, own } = parts.sql
    .exec<{ n: number; own: number }>(
      "SELECT count(*) AS n, count(*) FILTER (WHERE asked_by_id = ?) AS own FROM page_link WHERE used_at IS NULL",
      actorOf(by).id,
    )
    .one();
  if (n >= OPEN_AT_ONCE || own >= OPEN_OF_ONE)
    throw new Problem("rate_limited", "Too many pages are open already.", { retry_after_s: 60 });
  const handle = randomBytes(16).toString("base64url");
  const expires_at = now + LIFE_MS;
  parts.sql.exec(
    "INSERT INTO page_link (hash, errand, asked_by, asked_by_id, expires_at) VALUES (?, ?, ?, ?, ?)",
    hashOf(handle),
    JSON.stringify(errand),
    by.name,
    actorOf(by).id,
    expires_at,
  );
  const key = errand.kind !== "store" && "key_id" in errand ? parts.keys.find(errand.key_id ?? "") : undefined;
  record(parts, by, caller, ACTIONS[errand.kind], { key: key?.id, key_name: key?.name });
  return { handle, expires_at };
}

const ACTIONS: Record<Errand["kind"], string> = {
  store: "page.store",
  rotate: "key.entry_link",
  reveal: "page.reveal",
  mint: "page.mint",
  agree: "page.agree",
};

/** What to show. Looking changes nothing: a page is used up by what is posted, never by a link that is followed. */
export function readPageLink(parts: Parts, caller: Caller, handle: string): ShownPage {
  recognise(parts.tokens, caller, Date.now());
  const { errand, asked_by, asked_by_id } = find(parts, handle);
  assertStands(parts, errand, asked_by_id);
  switch (errand.kind) {
    case "store":
      return { kind: "store", asked_by, name: errand.key.name, destination: errand.key.destination };
    case "rotate": {
      const key = keyOf(parts, errand);
      return { kind: "rotate", asked_by, key, destination: key.destination };
    }
    case "reveal":
      return { kind: "reveal", asked_by, key: parts.keys.must(errand.key_id) };
    case "mint": {
      const { name, policy, rotation } = errand;
      const ids = termsOf(parts, errand, asked_by_id).policy.keys;
      return {
        kind: "mint",
        asked_by,
        name,
        policy,
        rotation,
        keys: ids?.map((id) => parts.keys.must(id).name) ?? null,
      };
    }
    case "agree":
      return { ...errand, asked_by };
  }
}

/**
 * Does the errand and uses the page up: consumed first, so that two posts cannot both count. A typed secret is sealed for the
 * destination that the page has shown and no other (SECURITY S2).
 */
export async function usePageLink(parts: Parts, caller: Caller, handle: string, secret: Secret): Promise<Done> {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const { errand, asked_by_id } = find(parts, handle);
  assertStands(parts, errand, asked_by_id);
  const shown = errand.kind === "rotate" ? keyOf(parts, errand) : undefined;
  parts.sql.exec("UPDATE page_link SET used_at = ? WHERE hash = ?", now, hashOf(handle));
  switch (errand.kind) {
    case "store":
      return { kind: "store", key: await createKey(parts, caller, errand.key, secret) };
    case "rotate": {
      const destination = (shown as ApiKey).destination;
      const next = { destination, secret, overlap_ms: 0 };
      return { kind: "rotate", key: await rotateKey(parts, caller, errand.key_id, next) };
    }
    case "reveal": {
      const [revealed] = await revealKeys(parts, caller, [errand.key_id]);
      if (revealed === undefined) throw new Problem("not_found", "There is no such key.");
      return { kind: "reveal", ...revealed };
    }
    case "mint": {
      const { expires_at, policy } = termsOf(parts, errand, asked_by_id);
      const under = { id: asked_by_id, policy, expires_at };
      return {
        kind: "mint",
        minted: await createToken(parts, caller, errand.name, errand.policy, errand.rotation, under),
      };
    }
    case "agree":
      record(parts, by, caller, "page.agreed", { subject: errand.subject, rule: errand.act, key: errand.key_id });
      return { kind: "agree" };
  }
}

/** Voids every page that is still open. */
export function dropPageLinks({ sql }: Parts): void {
  sql.exec("DELETE FROM page_link");
}

function errandOf(parts: Parts, wish: Wish): Errand {
  switch (wish.kind) {
    case "store":
      parts.keys.assertRoomFor(wish.key.name, wish.key.destination.provider);
      return wish;
    case "rotate": {
      const { id, version } = parts.keys.must(wish.key);
      return { kind: "rotate", key_id: id, version };
    }
    case "reveal":
      return { kind: "reveal", key_id: parts.keys.must(wish.key).id };
    case "agree":
      return wish.act === "delete_key" ? { ...wish, key_id: parts.keys.must(wish.subject).id } : wish;
    case "mint": {
      if (wish.policy.allow_credential_endpoints === true)
        throw new Problem("insufficient_scope", "Only the owner makes a token that may mint or show credentials.");
      const { expires_at } = wish.policy;
      // Names that are not there are told now; what is kept is ids.
      return { ...wish, policy: { ...resolvePolicy(parts.keys, wish.policy), expires_at } };
    }
  }
}

function find(parts: Parts, handle: string): Link {
  const [link] = parts.sql
    .exec<{ errand: string; asked_by: string; asked_by_id: string }>(
      "SELECT errand, asked_by, asked_by_id FROM page_link WHERE hash = ? AND used_at IS NULL AND expires_at > ?",
      hashOf(handle),
      Date.now(),
    )
    .toArray();
  if (link === undefined)
    throw new Problem("not_found", "This page was used already, or is too old. Ask for a new one.");
  return { ...link, errand: JSON.parse(link.errand) as Errand };
}

function keyOf({ keys }: Parts, { key_id, version }: Extract<Errand, { kind: "rotate" }>): ApiKey {
  const key = keys.must(key_id);
  if (key.version === version) return key;
  throw new Problem("conflict", "The key was changed since this page was made. Ask for a new one.");
}

function assertStands(parts: Parts, errand: Errand, asked_by_id: string): void {
  assertAskerStands(parts, asked_by_id, SCOPES[errand.kind], "key_id" in errand ? errand.key_id : undefined);
}

/** A token that somebody asked for is never more than they are, and ends with them (SECURITY S3). */
function termsOf(parts: Parts, { policy }: Extract<Errand, { kind: "mint" }>, asked_by_id: string) {
  const device = parts.tokens.find(asked_by_id);
  if (device !== undefined) return withinDevice(device, { policy, expires_at: policy.expires_at ?? null });
  const grant = parts.grants.find(asked_by_id);
  if (grant !== undefined && !grantsScope(grant.scopes, "vault:proxy")) {
    const detail =
      "An app token is for calls, which whoever asks for it may not make itself: it lacks the scope vault:proxy.";
    throw new Problem("insufficient_scope", detail, { rule: "scopes" });
  }
  const reach = grant === undefined ? undefined : (grant.keys ?? undefined);
  const keys = policy.keys === undefined ? reach : policy.keys.filter((id) => reach?.includes(id) ?? true);
  if (keys?.length === 0) throw new Problem("not_found", "Whoever asked for this reaches none of its keys any more.");
  const expires_at = Math.min(policy.expires_at ?? Infinity, grant?.expires_at ?? Infinity);
  return { policy: { ...policy, keys }, expires_at: Number.isFinite(expires_at) ? expires_at : null };
}

function hashOf(handle: string): string {
  return createHash("sha256").update(handle).digest("base64url");
}
