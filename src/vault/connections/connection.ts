import type { OAuthPlacement } from "../../catalog/provider.ts";
import { Problem } from "../../problem.ts";
import type { ApiKey, Destination } from "../keys/key.ts";
import type { Grounds } from "./token_endpoint.ts";

/** What tokens of a key are good for: they are sealed for this, and are of no use to a version that goes elsewhere. */
export function bindingOf({ origin, base_path, placement }: Destination): string {
  const token_url = placement.in === "oauth" ? placement.token_url : "";
  return JSON.stringify([origin, base_path, token_url]);
}

/** What a pair of tokens is sealed as: this key's, by number, for where they may be sent. */
export function sealName(key_id: string, serial: number, binding: string): string {
  return JSON.stringify(["connection", key_id, serial, binding]);
}

/** Nobody asked: the vault does it of itself. */
export const BY_VAULT = {
  actor: { kind: "vault", id: "", name: "API Locker" },
  ip: "",
  country: "XX",
  user_agent: "",
} as const;

/** The key, as rows name it. */
export function about({ id, name, destination }: ApiKey) {
  return { key: id, key_name: name, provider: destination.provider };
}

/** How this key is connected; only asked of keys that are. */
export function placementOf({ destination }: ApiKey): OAuthPlacement {
  if (destination.placement.in !== "oauth") throw new Error("this key does not renew itself");
  return destination.placement;
}

/** Kinds whose client alone is ground enough. */
export function needsNobody({ grant }: OAuthPlacement): boolean {
  return grant === "client_credentials" || grant === "jwt_bearer";
}

/** By what new tokens are asked for; undefined where there is nothing. */
export function groundsOf(placement: OAuthPlacement, refresh_token: string | undefined): Grounds | undefined {
  if (needsNobody(placement)) return { by: "client" };
  return refresh_token === undefined ? undefined : { by: "refresh_token", refresh_token };
}

/** Only a person can go on. */
export function reconnect({ name }: ApiKey): Problem {
  return new Problem("reconnect_required", `${name} must be connected to its provider by its owner.`, {
    rule: "reconnect_required",
  });
}

/** The provider is in trouble; it is asked again after that time. */
export function troubled({ name }: ApiKey, wait_ms: number): Problem {
  const retry_after_s = Math.max(1, Math.ceil(wait_ms / 1_000));
  return new Problem("unavailable", `The provider of ${name} gives no access token right now.`, { retry_after_s });
}
