import type * as z from "zod";
import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { trustAddress } from "../vault/tokens/manage_trusts.ts";
import { isPublicHost } from "../vault/alerts/public_host.ts";
import type { Trust as StoredTrust } from "../vault/tokens/trusts.ts";
import { paged, type Handlers } from "./operation.ts";
import { policyInput, wirePolicy } from "./policy.ts";
import type { Trust, TRUST_OPERATIONS } from "./schema.ts";
import { wireReceipt, wireTime } from "./wire.ts";

export const trustHandlers: Handlers<typeof TRUST_OPERATIONS> = {
  createTrust: async ({ env, vault, who, body }) => {
    const { name, issuer, audience, claims, jwks, single_use, policy = {} } = body;
    if (jwks === undefined) assertAskable(issuer, configOf(env).allow_private_upstreams);
    const listed = Object.entries(claims).map(([claim, given]) => [claim, [given].flat()] as const);
    const stored = await ask(
      vault.createTrust(who.caller, {
        name,
        issuer,
        audience,
        claims: Object.fromEntries(listed),
        jwks: jwks === undefined ? null : JSON.stringify(jwks),
        single_use,
        policy: policyInput(policy),
      }),
    );
    return wireTrust(stored, configOf(env).public_origin, who.vault_id);
  },
  listTrusts: async ({ env, vault, who, query }) => {
    const { limit, cursor } = query;
    const trusts = await ask(vault.listTrusts(who.caller, cursor, limit + 1));
    const { public_origin } = configOf(env);
    return paged(
      trusts.map((trust) => wireTrust(trust, public_origin, who.vault_id)),
      limit,
      ({ id }) => id,
    );
  },
  deleteTrust: async ({ vault, who, param }) => wireReceipt(await ask(vault.deleteTrust(who.caller, param("id")))),
};

/** We ask an issuer for its keys: only over https, and only one that stands in public. */
function assertAskable(issuer: string, private_allowed: boolean): void {
  const { protocol, hostname } = new URL(issuer);
  if (private_allowed || (protocol === "https:" && isPublicHost(hostname))) return;
  const rule = "must be https: on a public host, or come with its jwks";
  throw new Problem("invalid_request", `issuer ${rule}.`, { errors: [{ field: "issuer", rule }] });
}

/** A trust as it is told. */
export function wireTrust(trust: StoredTrust, public_origin: string, vault_id: string): z.output<typeof Trust> {
  const { id, name, issuer, audience, claims, jwks, single_use, policy, created_at, uses, last_used_at } = trust;
  const { expires_at = null, ...terms } = policy;
  return {
    id,
    name,
    address: trustAddress(public_origin, vault_id, id),
    issuer,
    audience,
    claims: Object.fromEntries(Object.entries(claims).map(([claim, patterns]) => [claim, [...patterns]])),
    keys_given: jwks !== null,
    single_use,
    policy: wirePolicy({ policy: terms, expires_at }),
    created_at: wireTime(created_at),
    uses,
    last_used_at: last_used_at === null ? undefined : wireTime(last_used_at),
  };
}
