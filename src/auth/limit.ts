import { Problem } from "../problem.ts";
import { limitedAs } from "../vault/policy/network.ts";

/** What one address may do so often; `of` keeps apart what shares a limit. */
type Limited = { detail: string; of?: string; rule?: string };

/** Refuses whoever asks too often from one address: anybody may ask here, and each asking costs something (CONTRACT §2). */
export async function limitAddress(limit: RateLimit, ip: string, { detail, of, rule }: Limited): Promise<void> {
  const key = of === undefined ? limitedAs(ip) : `${of} ${limitedAs(ip)}`;
  if ((await limit.limit({ key })).success) return;
  throw new Problem("rate_limited", detail, { rule, retry_after_s: 60 });
}
