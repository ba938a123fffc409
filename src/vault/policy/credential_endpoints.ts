import { providerOf } from "../../catalog/catalog.ts";
import type { Operation } from "../../catalog/provider.ts";
import type { Destination } from "../keys/key.ts";
import { covers, readGlob, type UpstreamPath } from "./path.ts";

/** Has this provider operations that are refused? Then paths are read strictly, or a foldable spelling would slip by. */
export function isGuarded(destination: Destination): boolean {
  return guardedOperations(destination.provider).length > 0 || isCredentialService(destination);
}

/**
 * Would this call mint or show credentials, or echo its own headers, as far as the catalog knows the provider? Such a call
 * would hand out what the locker keeps (SECURITY S20). The globs are tried on the whole path and on what the caller wrote, since
 * a key may point at a gateway with a base path of its own; servers often ignore case and a trailing slash, so this does too.
 */
export function touchesCredentials(
  destination: Destination,
  { method, path, overridden }: { method: string; path: UpstreamPath; overridden: boolean },
): boolean {
  const { provider, base_path } = destination;
  if (isCredentialService(destination)) return true;
  const asked = method === "HEAD" ? "GET" : method;
  const own = path.segments.map((segment) => segment.toLowerCase());
  if (own.at(-1) === "") own.pop();
  const whole = [...base_path.toLowerCase().split("/").slice(1), ...own];
  return guardedOperations(provider).some(
    (operation) =>
      (overridden || operation.method === "*" || operation.method === asked) &&
      [own, whole].some((segments) => covers(readGlob(operation.path.toLowerCase()), { raw: path.raw, segments })),
  );
}

/** AWS services that exist to hand out credentials: all their operations share one path. */
function isCredentialService({ placement, origin }: Destination): boolean {
  return (
    placement.in === "sigv4" &&
    /^(sts|iam|sso|oidc|portal\.sso|cognito-identity)([.-]|$)/.test(placement.service ?? new URL(origin).hostname)
  );
}

function guardedOperations(id: string): readonly Operation[] {
  const provider = providerOf(id);
  if (provider === undefined) return [];
  const { credential_operations = [], echo_operations = [], same_api_as } = provider;
  return [
    ...credential_operations,
    ...echo_operations,
    ...(same_api_as === undefined ? [] : guardedOperations(same_api_as)),
  ];
}
