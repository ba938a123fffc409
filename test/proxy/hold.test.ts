import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Problem } from "../../src/problem.ts";
import { askFirst, contentDigest } from "../../src/proxy/hold.ts";
import type { Dispatch } from "../../src/vault/calls/dispatch.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", { READY_STATE_OPEN: 1 });
  vi.stubGlobal("scheduler", { wait: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)) });
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const DISPATCH = { seq: 1 } as Dispatch;
const asked = () =>
  new Problem("approval_required", "asked", {
    approval: { id: "apr_1", url: "https://locker.example/approvals/apr_1" },
  });

/** A vault that never answers the question, or that cannot be reached. */
function vault(reachable = true) {
  const opened: string[] = [];
  const stub = {
    fetch: async (_url: string, { headers }: { headers: Record<string, string> }) => {
      opened.push(headers["x-question"] ?? "");
      if (!reachable) throw new Error("no such vault");
      return { webSocket: { readyState: 1, accept() {}, addEventListener() {}, send() {}, close() {} } };
    },
  };
  return { opened, open: () => stub as unknown as DurableObjectStub };
}

test("a call is held for two minutes and then refused with the link", async () => {
  const held = vault();
  const call = askFirst(() => Promise.reject(asked()), held.open, new AbortController().signal);
  const outcome = call.then(
    () => "through",
    (refused: Problem) => refused.extras.approval?.url,
  );
  await vi.advanceTimersByTimeAsync(119_000);
  expect(await Promise.race([outcome, Promise.resolve("waits")])).toBe("waits");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await outcome).toBe("https://locker.example/approvals/apr_1");
  expect(held.opened).toEqual(["apr_1"]);
});

test("one that finds as many waiting as may is refused with the link at once", async () => {
  const fetched = vi.fn(async () => ({ status: 429, webSocket: null }));
  const open = () => ({ fetch: fetched }) as unknown as DurableObjectStub;
  const call = askFirst(() => Promise.reject(asked()), open, new AbortController().signal);
  await expect(call).rejects.toMatchObject({ code: "approval_required", extras: { approval: { id: "apr_1" } } });
  expect(fetched).toHaveBeenCalledTimes(1);
});

test("a client that has gone is asked for no more", async () => {
  const gone = new AbortController();
  const authorize = vi.fn(() => Promise.reject<Dispatch>(asked()));
  const call = askFirst(authorize, vault().open, gone.signal).catch((refused: Problem) => refused.code);
  await vi.advanceTimersByTimeAsync(1_000);
  gone.abort();
  expect(await call).toBe("approval_required");
  expect(authorize).toHaveBeenCalledTimes(1);
});

test("a vault that cannot be reached for a while is asked again, not every instant", async () => {
  const lost = vault(false);
  const call = askFirst(() => Promise.reject(asked()), lost.open, new AbortController().signal).catch(() => "refused");
  await vi.advanceTimersByTimeAsync(121_000);
  expect(await call).toBe("refused");
  expect(lost.opened.length).toBeGreaterThan(30);
  expect(lost.opened.length).toBeLessThan(1_000);
});

test("any other refusal is final", async () => {
  const frozen = () => Promise.reject<Dispatch>(new Problem("frozen", "frozen"));
  await expect(askFirst(frozen, vault().open, new AbortController().signal)).rejects.toMatchObject({ code: "frozen" });
  expect(await askFirst(async () => DISPATCH, vault().open, new AbortController().signal)).toBe(DISPATCH);
});

test("what a question is bound to tells query, body and operation from each other, and a body that nobody can keep from every other", () => {
  const bytes = (text: string) => new TextEncoder().encode(text).buffer as ArrayBuffer;
  const digests = [
    contentDigest("", [], null),
    contentDigest("a", [], null),
    contentDigest("", [], bytes("a")),
    contentDigest("a\n", [], bytes("b")),
    contentDigest("a", [], bytes("\nb")),
    contentDigest("", [], "unknown"),
    contentDigest("", [], "unknown"),
    contentDigest("", [["content-type", "text/a"]], null),
    contentDigest("", [["x_amz_target", "text/a"]], null),
  ];
  expect(new Set(digests).size).toBe(digests.length);
});

test("of a call's headers a question is bound to what may change what is done, and not to what differs from try to try", () => {
  const without = contentDigest("a", [], null);
  for (const name of [
    "stripe-account",
    "Sudo",
    "destination",
    "dropbox-api-arg",
    "x-amz-copy-source",
    "anthropic-beta",
    "openai-project",
    "content-encoding",
    "if-match",
    "x-of-somebody-whom-we-do-not-know",
  ])
    expect(contentDigest("a", [[name.toLowerCase(), "1"]], null), name).not.toBe(without);
  for (const name of [
    "user-agent",
    "accept",
    "idempotency-key",
    "traceparent",
    "x-request-id",
    "x-stainless-retry-count",
    "amz-sdk-invocation-id",
    "x-stripe-client-telemetry",
    // Never sent on.
    "cookie",
    "cf-ray",
    "x-forwarded-for",
  ])
    expect(contentDigest("a", [[name, "1"]], null), name).toBe(without);
});
