import { Problem } from "../../problem.ts";
import { recognise, type Caller } from "./caller.ts";
import { boundsOf } from "./derive_token.ts";
import { judgeAgain } from "./ending.ts";
import { tagOf } from "../calls/leashes.ts";
import { counts } from "../policy/limits.ts";
import { appToken, type AppToken } from "./manage_tokens.ts";
import { record, type Parts } from "../parts.ts";
import type { Policy } from "../policy/policy.ts";
import { resolvePolicy, type PolicyInput } from "../policy/resolve_policy.ts";
import { widerFields } from "../policy/wider.ts";

/** Changes to a policy: what is absent stays, null takes a rule away. */
export type PolicyChanges = { [Field in keyof PolicyInput]?: PolicyInput[Field] | null };
export type TokenChanges = { name?: string | undefined; policy?: PolicyChanges | undefined };

/**
 * Changes a token's name or policy. Taking away is anybody's who manages the vault; allowing more is a person's in the
 * browser (SECURITY S3). What is open and would be refused now, here or at a token that was derived from this, is cut.
 */
export async function changeToken(
  parts: Parts,
  caller: Caller,
  id: string,
  { name, policy: changes = {} }: TokenChanges,
): Promise<AppToken> {
  const { tokens, meters, gate } = parts;
  const by = recognise(tokens, caller, Date.now(), "narrow");
  const token = appToken(parts, id);
  if (token.revoked_at !== null) throw new Problem("conflict", "A revoked token cannot be changed.");
  const { expires_at, ...policy } = merged(parts, token, changes);
  const now = { policy, expires_at: expires_at ?? null };
  const wider = widerFields(boundsOf(token), boundsOf(now));
  if (name !== undefined || wider.length > 0) recognise(tokens, caller, Date.now(), "change");
  if (wider.length > 0 && by.kind !== "ses")
    throw widens("insufficient_scope", "Only a person in the browser may allow a token more.", wider);
  const [, ...parents] = tokens.lineage(token);
  // What is counted is counted at the parents too, so there is nothing to compare.
  const beyond = parents.flatMap((parent) =>
    widerFields(boundsOf(parent.token), { ...boundsOf(parent.token), ...kept(now) }),
  );
  if (beyond.length > 0) throw widens("invalid_request", "A derived token is never wider than its parent.", beyond);

  tokens.change(id, { name: name ?? token.name, ...now });
  meters.policyChanged();
  if (counts(now.policy) && !counts(token.policy)) meters.begin(id, token.uses);
  gate.bump();
  record(parts, by, caller, "token.change", { subject: id, rule: wider.length > 0 ? "wider" : undefined });
  await judgeAgain(parts, [id, ...tokens.descendants(id)].map(tagOf.token));
  return appToken(parts, id);
}

function merged(parts: Parts, { policy: stands, expires_at }: AppToken, changes: PolicyChanges): PolicyInput {
  const { scopes: _of_its_grant, ...policy } = stands;
  const entries = Object.entries(changes).filter(([, value]) => value !== undefined);
  const gone = new Set(entries.filter(([, value]) => value === null).map(([field]) => field));
  const input = Object.fromEntries(entries.filter(([, value]) => value !== null)) as PolicyInput;
  const given = { ...resolvePolicy(parts.keys, input), expires_at: input.expires_at };
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  const before = Object.entries({ ...policy, expires_at: expires_at ?? undefined }).filter(
    ([field]) => !gone.has(field),
  );
  return Object.fromEntries([...before, ...said]) as PolicyInput;
}

/** The rules that are set. */
function kept(now: { policy: Policy; expires_at: number | null }): object {
  return Object.fromEntries(Object.entries(boundsOf(now)).filter(([, value]) => value !== undefined && value !== null));
}

function widens(code: "insufficient_scope" | "invalid_request", detail: string, fields: readonly string[]): Problem {
  const errors = [...new Set(fields)].map((field) => ({ field: `policy.${field}`, rule: "must not allow more" }));
  return new Problem(code, detail, { rule: "wider", errors });
}
