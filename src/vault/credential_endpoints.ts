import { providerOf } from "../catalog/catalog.ts";
import type { Operation } from "../catalog/provider.ts";
import type { Destination } from "./keys.ts";
import { covers, type UpstreamPath } from "./path.ts";

/** Has this provider operations that are refused? Then paths are read strictly, or a foldable spelling would slip by. */
export function isGuarded({ provider }: Destination): boolean {
  return guardedOperations(provider).length > 0;
}

/**
 * Would this call mint or show credentials, or echo its own headers, as far as the catalog knows the provider? Such a call
 * would hand out what the locker keeps (SECURITY S20). The globs are tried on the whole path and on what the caller wrote, since
 * a key may point at a gateway with a base path of its own; servers often ignore case and a trailing slash, so this does too.
 */
export function touchesCredentials(
  { provider, base_path }: Destination,
  { method, path, overridden }: { method: string; path: UpstreamPath; overridden: boolean },
): boolean {
  const asked = method === "HEAD" ? "GET" : method;
  const own = path.segments.map((segment) => segment.toLowerCase());
  if (own.at(-1) === "") own.pop();
  const whole = [...base_path.toLowerCase().split("/").slice(1), ...own];
  return guardedOperations(provider).some(
    (operation) =>
      (overridden || operation.method === "*" || operation.method === asked) &&
      [own, whole].some((segments) => covers(operation.path.toLowerCase(), { raw: path.raw, segments })),
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
