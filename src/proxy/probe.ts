import { logFault, Problem } from "../problem.ts";
import type { Config } from "../config.ts";
import { ask } from "../vault/answer.ts";
import type { Dispatch } from "../vault/calls/dispatch.ts";
import type { UserVault } from "../vault/vault.ts";
import { upstreamHeaders } from "./headers.ts";
import { inject } from "./inject.ts";
import { assertForeign } from "./send.ts";
import { sign } from "./sign.ts";
import { targetOf } from "./target.ts";

/** How a test call went, in our words: nothing of the upstream's answer but its status is told. */
export type Probe = { ok: boolean; status?: number; latency_ms: number; request_id: string; detail: string };

/** Less than the 15 s after which a call that nobody holds is given up. */
const PATIENCE_MS = 12_000;

/** Makes the one call that a dispatch is for, and tells how it went. Recorded and settled like any other use. */
export async function probe(
  config: Config,
  vault: DurableObjectStub<UserVault>,
  dispatch: Dispatch,
  call: { method: string; path: string; query: string },
): Promise<Probe> {
  const { request_id, seq } = dispatch;
  const started_at = Date.now();
  try {
    const target = targetOf(dispatch.destination, call.path, call.query);
    assertForeign(config, target);
    const headers = upstreamHeaders([
      ["accept", "*/*"],
      ["user-agent", "apilocker"],
    ]);
    inject(headers, target, dispatch.destination, dispatch.secret);
    await sign({ target, headers }, dispatch, call.method, null);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { status, body } = await fetch(target, {
      method: call.method,
      headers,
      redirect: "manual",
      cache: "no-store",
      signal,
    });
    await body?.cancel();
    const latency_ms = Date.now() - started_at;
    await ask(vault.settle([{ seq, outcome: "ok", status, latency_ms }]));
    return { ok: status < 400, status, latency_ms, request_id, detail: verdict(status) };
  } catch (fault) {
    logFault("probe_failed", fault);
    const latency_ms = Date.now() - started_at;
    const refused = fault instanceof Problem ? fault : undefined;
    await ask(vault.settle([{ seq, outcome: "failed", rule: refused?.code ?? "upstream_unreachable", latency_ms }]));
    return { ok: false, latency_ms, request_id, detail: refused?.message ?? "The upstream could not be reached." };
  }
}

function verdict(status: number): string {
  if (status < 400) return "The key works.";
  if (status === 401 || status === 403) return "The upstream does not accept the key.";
  return "The upstream was reached, but answered with an error.";
}
