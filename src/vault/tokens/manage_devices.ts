import { configOf } from "../../config.ts";
import { mintToken } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import { actorOf } from "./actor.ts";
import type { Origin } from "../audit/row.ts";
import { lifeEnd, recognise, slidingExpiry, type Caller } from "./caller.ts";
import { challengeOf, takeRequest, type ConsentAnswer } from "./authorizations.ts";
import type { Approval, Device, Proof, RevealChoice } from "./devices.ts";
import { giveBack } from "./give_back.ts";
import { tagOf } from "../calls/leashes.ts";
import { withUses } from "./manage_tokens.ts";
import { cut, record, type Parts } from "../parts.ts";
import type { AskRule } from "../policy/policy.ts";
import { isWithin } from "../policy/reach.ts";
import { asksLess } from "../policy/wider.ts";

/** What a device may call with its own token unless something else was chosen (CONTRACT §3). */
const CALLS = { per_minute: 60 };
const ASKED_MS = 10 * 60_000;
const MINUTE_MS = 60_000;

/** A device that is signed in, or was. */
export function device(parts: Parts, id: string): Device {
  const token = parts.tokens.find(id);
  if (token?.kind !== "dev" || !isWithin(parts.reach, token.policy.keys))
    throw new Problem("not_found", "There is no such device.");
  return parts.devices.of(withUses(parts, [token])[0] ?? token);
}

export function listDevices(parts: Parts, before: string | undefined, limit: number): Device[] {
  return withUses(parts, parts.tokens.list("dev", before, limit, parts.reach)).map((token) => parts.devices.of(token));
}

/** A person's yes, kept until the device fetches its token with the code that the yes is for. */
export function approveDevice(
  parts: Parts,
  caller: Caller,
  wish: Omit<Approval, "approved_by" | "expires_at">,
): { approved_by: string } {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const keys = wish.policy.keys?.map((ref) => parts.keys.must(ref).id);
  const approval = {
    ...wish,
    policy: { rate: CALLS, ...wish.policy, keys },
    approved_by: by.id,
    expires_at: now + lifeOf(wish.proof),
  };
  if (!parts.devices.approve(approval, now)) throw new Problem("conflict", "This device was answered already.");
  record(parts, by, caller, "device.approve", { subject: wish.name });
  return { approved_by: by.id };
}

/** A person's answer to a device that asked by a redirect: a code for it, which is worth nothing without the verifier. */
export function answerSignIn(
  parts: Parts,
  caller: Caller,
  handle: string,
  wish: Pick<Approval, "name" | "policy" | "reveal"> | null,
): ConsentAnswer {
  const by = recognise(parts.tokens, caller, Date.now());
  const { redirect_uri, state, code_challenge, device } = takeRequest(parts, by, handle);
  if (device === undefined) throw new Problem("invalid_request", "This request is not a device's.");
  if (wish === null) {
    record(parts, by, caller, "device.deny", { subject: device.name });
    return { redirect_uri, state, code: undefined };
  }
  const { token, hash } = mintToken(configOf(parts.env).token_keys, "oac", parts.vault_id);
  const proof = { redirect_uri, code_challenge };
  approveDevice(parts, caller, { ...wish, code_hash: hash, platform: device.platform, proof });
  return { redirect_uri, state, code: token };
}

/** How long a yes waits: a code that travels through a browser is short-lived (CONTRACT §3). */
function lifeOf(proof: Proof | null): number {
  return proof === null ? ASKED_MS : MINUTE_MS;
}

/** What a device shows for its token. */
export type Showing = { code_hash: string; proof: { redirect_uri: string | null; verifier: string } | null };

/**
 * The token of a device that was approved, for the code that it was approved for: once. A code that came back through a redirect
 * needs its verifier too, and is used up by a wrong one; shown again, it has been seen by somebody else, and the device ends.
 */
export function redeemDevice(
  parts: Parts,
  showing: Showing,
  origin: Origin,
): { token: string; id: string; expires_at: number } {
  const { tokens, devices, audit, gate, env, vault_id, regrets } = parts;
  const now = Date.now();
  const { code_hash } = showing;
  const approval = devices.approval(code_hash);
  if (approval === undefined || (approval.proof === null) !== (showing.proof === null)) throw unknownCode();
  if (approval.device_id !== null) {
    const device = tokens.find(approval.device_id);
    if (approval.proof !== null) regrets.settle(approval.device_id);
    if (approval.proof !== null && device !== undefined && device.revoked_at === null) {
      void cut(parts, tokens.revoke(device.id, now).map(tagOf.token), "revoked");
      gate.bump();
      const event = { actor: actorOf(device), action: "device.revoke", outcome: "ok" as const, rule: "code_replayed" };
      audit.append({ ...event, subject: device.id, ...origin }, now);
    }
    throw new Problem("invalid_grant", "This code was used already.");
  }
  if (approval.expires_at <= now) throw new Problem("invalid_grant", "This code has expired.");
  if (!proves(approval.proof, showing.proof)) {
    devices.used(code_hash, "");
    throw new Problem("invalid_grant", "code_verifier or redirect_uri does not belong to this code.");
  }
  const { token, hash } = mintToken(configOf(env).token_keys, "dev", vault_id);
  const { name, platform, policy, reveal } = approval;
  const expires_at = slidingExpiry("dev", now, now);
  const row = tokens.add({ kind: "dev", hash, name, policy, expires_at, signed_in_at: null }, now);
  devices.used(code_hash, row.id);
  devices.add(row.id, platform, revealUntil(reveal, row.created_at, now));
  const subject = approval.approved_by;
  audit.append({ actor: actorOf(row), action: "device.create", outcome: "ok", subject, ...origin }, now);
  return { token, id: row.id, expires_at };
}

function proves(wanted: Proof | null, shown: Showing["proof"]): boolean {
  if (wanted === null || shown === null) return wanted === shown;
  if (shown.redirect_uri !== null && shown.redirect_uri !== wanted.redirect_uri) return false;
  return challengeOf(shown.verifier) === wanted.code_challenge;
}

function unknownCode(): Problem {
  return new Problem("invalid_grant", "This code is not known here, or was not approved.");
}

/** Takes back that a client has revoked it. */
export function giveDeviceBack(parts: Parts, caller: Caller, id: string): Device {
  giveBack(parts, caller, device(parts, id).id, "device.restore");
  return device(parts, id);
}

/** What may be said of a device: another name, no more secrets, more to ask about first. */
export type DeviceChanges = { name?: string | undefined; reveal?: "none" | undefined; ask?: AskRule | undefined };

/** Does all that is said of a device, or nothing: what may be refused once the device is known comes first. */
export function changeDevice(parts: Parts, caller: Caller, id: string, { name, reveal, ask }: DeviceChanges): Device {
  if (ask !== undefined) askBeforeDevice(parts, caller, id, ask);
  if (reveal !== undefined) lockDevice(parts, caller, id);
  if (name !== undefined) renameDevice(parts, caller, id, name);
  return device(parts, id);
}

function renameDevice(parts: Parts, caller: Caller, id: string, name: string): Device {
  const by = recognise(parts.tokens, caller, Date.now());
  device(parts, id);
  parts.tokens.rename(id, name);
  record(parts, by, caller, "device.rename", { subject: id });
  return device(parts, id);
}

/** From now on a person is asked before these calls of a device and of what it has made; never before fewer than until now. */
function askBeforeDevice(parts: Parts, caller: Caller, id: string, rule: AskRule): Device {
  const { tokens, gate } = parts;
  const by = recognise(tokens, caller, Date.now(), "narrow");
  const { name, policy, expires_at } = device(parts, id);
  // To what somebody has said always stays allowed.
  const ask = { ...rule, allowed: policy.ask?.allowed };
  if (policy.ask !== undefined && asksLess(policy.ask, ask))
    throw new Problem("invalid_request", "A device can only be made to ask more; to ask less it must be let in anew.", {
      errors: [{ field: "ask", rule: "must not ask less than it does" }],
    });
  tokens.change(id, { name, policy: { ...policy, ask }, expires_at });
  gate.bump();
  record(parts, by, caller, "device.ask_first", { subject: id });
  return device(parts, id);
}

/** A device asks to be shown secrets. A person answers on a page of ours; until then nothing is different. */
export function askToUnlock(parts: Parts, caller: Caller): { id: string; expires_at: number } {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  parts.devices.ask(by.id, caller.origin.ip, caller.origin.country, now);
  record(parts, by, caller, "device.unlock_ask", { subject: by.id });
  return { id: by.id, expires_at: now + ASKED_MS };
}

/** A device that has asked within the last ten minutes to be shown secrets. */
export function askingDevice(parts: Parts, caller: Caller, id: string): Device {
  const now = Date.now();
  recognise(parts.tokens, caller, now);
  const found = device(parts, id);
  if (found.revoked_at !== null || found.asked_at === null || now - found.asked_at > ASKED_MS)
    throw new Problem("not_found", "This device does not ask for anything now. Run apilocker unlock on it.");
  return found;
}

/** A person's answer to a device that asked. */
export function answerDevice(parts: Parts, caller: Caller, id: string, reveal: RevealChoice): Device {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const { created_at } = askingDevice(parts, caller, id);
  parts.devices.setReveal(id, revealUntil(reveal, created_at, now));
  record(parts, by, caller, reveal === "none" ? "device.unlock_deny" : "device.unlock", { subject: id, rule: reveal });
  return device(parts, id);
}

/** Shows a device no more secrets. */
function lockDevice(parts: Parts, caller: Caller, id: string): Device {
  const by = recognise(parts.tokens, caller, Date.now(), "stop");
  const { reveal_until, asked_at } = device(parts, id);
  parts.devices.setReveal(id, null);
  if (reveal_until !== null || asked_at !== null) record(parts, by, caller, "device.lock", { subject: id });
  return device(parts, id);
}

/** `always` is as long as the device can live. */
function revealUntil(reveal: RevealChoice, created_at: number, now: number): number | null {
  switch (reveal) {
    case "none":
      return null;
    case "15m":
      return now + 15 * MINUTE_MS;
    case "8h":
      return now + 480 * MINUTE_MS;
    case "always":
      return lifeEnd("dev", created_at);
  }
}
