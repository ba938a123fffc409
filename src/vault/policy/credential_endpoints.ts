import { listProviders, providerOf } from "../../catalog/catalog.ts";
import type { Operation, Provider } from "../../catalog/provider.ts";
import type { Destination } from "../keys/key.ts";
import { covers, readGlob, type UpstreamPath } from "./path.ts";

/** Has this provider operations that are refused? Then paths are read strictly, or a foldable spelling would slip by. */
export function isGuarded(destination: Destination): boolean {
  return GUARDED.has(destination.provider) || isCredentialService(destination);
}

/**
 * Would this call mint or show credentials, or echo its own headers, as far as the catalog knows the provider? Such a call
 * would hand out what the locker keeps (SECURITY S20). The globs are tried on the whole path and on what the caller wrote, since
 * a key may point at a gateway with a base path of its own; servers often ignore case and a trailing slash, so this does too.
 */
export function touchesCredentials(
  destination: Destination,
  path: UpstreamPath,
  { method, overridden }: { method: string; overridden: boolean },
): boolean {
  if (isCredentialService(destination)) return true;
  const operations = GUARDED.get(destination.provider);
  if (operations === undefined) return false;
  const asked = method === "HEAD" ? "GET" : method;
  const own = path.segments.map((segment) => segment.toLowerCase());
  if (own.at(-1) === "") own.pop();
  const whole = [...destination.base_path.toLowerCase().split("/").slice(1), ...own];
  return operations.some(
    ({ method, glob }) =>
      (overridden || method === "*" || method === asked) &&
      [own, whole].some((segments) => covers(glob, { raw: path.raw, segments })),
  );
}

/** AWS services that exist to hand out credentials: all their operations share one path. */
function isCredentialService({ placement, origin }: Destination): boolean {
  return (
    placement.in === "sigv4" &&
    /^(sts|iam|sso|oidc|portal\.sso|cognito-identity)([.-]|$)/.test(placement.service ?? new URL(origin).hostname)
  );
}

/** What is refused of each provider that has any of it, its globs read once. */
const GUARDED = new Map(
  listProviders().flatMap((provider) => {
    const operations = operationsOf(provider);
    const read = operations.map(({ method, path }) => ({ method, glob: readGlob(path.toLowerCase()) }));
    return read.length === 0 ? [] : [[provider.id, read] as const];
  }),
);

function operationsOf({ credential_operations = [], echo_operations = [], same_api_as = "" }: Provider): Operation[] {
  const same = providerOf(same_api_as);
  return [...credential_operations, ...echo_operations, ...(same === undefined ? [] : operationsOf(same))];
}
