import { useSyncExternalStore } from "react";
import type * as z from "zod";
import type { LiveEvent } from "../../api/schema.ts";
import { queries } from "./queries.ts";

/** Whether what happens is told at once, or has to be asked for meanwhile. */
type LiveState = "connecting" | "live" | "away";

const SOON_MS = 600;
const LATER_MS = 3_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;

/** What changes with every call, and what changes slowly or is dear to ask for. */
const BY_CALL = new Set([
  "GET /activity",
  "GET /tokens/{id}",
  "GET /keys/{key}/versions",
  "GET /alerts",
  "GET /approvals",
]);

const listeners = new Set<() => void>();
const due = new Map<string, ReturnType<typeof setTimeout>>();
let state: LiveState = "connecting";
let started = false;
let wait_ms = FIRST_WAIT_MS;

/** Whether the feed is open. The first who asks opens it; it then stays open as long as the page. */
export function useLive(): LiveState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      if (!started) open();
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

/** How often to ask for what the feed would tell: not at all while it is open. */
export function useTail(every_ms: number): number | undefined {
  return useLive() === "live" ? undefined : every_ms;
}

/** What is on screen is read again when something happened to it, so that filters and pages stay the server's business. */
function open(): void {
  started = true;
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/live`);
  socket.addEventListener("message", ({ data }) => heard(JSON.parse(String(data)) as z.output<typeof LiveEvent>));
  socket.addEventListener("close", () => {
    become("away");
    // A session that was ended finds out by the next thing it asks for.
    again("all", SOON_MS, () => true);
    setTimeout(open, wait_ms * (0.75 + Math.random() / 2));
    wait_ms = Math.min(wait_ms * 2, LONGEST_WAIT_MS);
  });
}

function heard(event: z.output<typeof LiveEvent>): void {
  switch (event.type) {
    case "ready":
      become("live");
      wait_ms = FIRST_WAIT_MS;
      break;
    case "activity":
    case "skipped":
      again("calls", SOON_MS, ([route]) => BY_CALL.has(String(route)));
      again("counts", LATER_MS, ([route]) => !BY_CALL.has(String(route)));
      break;
    default:
      again("all", SOON_MS, () => true);
  }
}

function become(next: LiveState): void {
  state = next;
  for (const listener of listeners) listener();
}

/** Reads again, but not for every single row of a burst. */
function again(what: string, within_ms: number, which: (key: readonly unknown[]) => boolean): void {
  if (due.has(what)) return;
  const timer = setTimeout(() => {
    due.delete(what);
    void queries.invalidateQueries({ predicate: ({ queryKey }) => which(queryKey) });
  }, within_ms);
  due.set(what, timer);
}
