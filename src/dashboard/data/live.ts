import { useSyncExternalStore } from "react";
import type * as z from "zod";
import type { LiveEvent } from "../../api/schema.ts";
import type { Query } from "@tanstack/react-query";
import { isDeep } from "./deep.ts";
import { queries } from "./queries.ts";

/** Whether what happens is told at once, or has to be asked for meanwhile. */
type LiveState = "connecting" | "live" | "away";

const SOON_MS = 600;
const LATER_MS = 3_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;
const ASKED_EVERY_MS = 20_000;
const ANSWERED_WITHIN_MS = 8_000;

/** What changes with every call, and what changes slowly or is dear to ask for. */
const BY_CALL = new Set([
  "GET /activity",
  "GET /tokens/{id}",
  "GET /keys/{key}/versions",
  "GET /alerts",
  "GET /approvals",
]);

const listeners = new Set<() => void>();
const due = new Map<string, { missed: boolean }>();
let state: LiveState = "connecting";
let started = false;
let wait_ms = FIRST_WAIT_MS;
/** Finds out at once whether the feed still stands, or opens it without waiting longer. */
let look = (): void => {};

/** Whether the feed is open. The first who asks opens it; it then stays open as long as the page. */
export function useLive(): LiveState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      if (!started) start();
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

/** How often to ask for what the feed would tell: not at all while it is open. */
export function useTail(every_ms: number): number | undefined {
  return useLive() === "live" ? undefined : every_ms;
}

function start(): void {
  started = true;
  addEventListener("online", () => look());
  addEventListener("offline", () => again("all", SOON_MS, () => true));
  document.addEventListener("visibilitychange", () => document.hidden || look());
  open();
}

/** What is on screen is read again when something happened to it, so that filters and pages stay the server's business. */
function open(): void {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/live`);
  const over = new AbortController();
  const { signal } = over;
  let answered = true;
  // A connection that was lost while a computer slept, or on the way, looks open for as long as nobody says anything.
  const ask = () => {
    if (!answered) return;
    answered = false;
    if (socket.readyState === WebSocket.OPEN) socket.send("ping");
    setTimeout(() => answered || end(), ANSWERED_WITHIN_MS);
  };
  const asking = setInterval(ask, ASKED_EVERY_MS);
  const end = () => {
    if (signal.aborted) return;
    over.abort();
    clearInterval(asking);
    socket.close();
    become("away");
    // A session that was ended finds out by the next thing it asks for.
    again("all", SOON_MS, () => true);
    const waiting = setTimeout(open, wait_ms * (0.75 + Math.random() / 2));
    wait_ms = Math.min(wait_ms * 2, LONGEST_WAIT_MS);
    look = () => {
      clearTimeout(waiting);
      look = () => {};
      open();
    };
  };
  look = ask;
  socket.addEventListener("close", end, { signal });
  socket.addEventListener(
    "message",
    ({ data }) => {
      answered = true;
      if (data !== "pong") heard(JSON.parse(String(data)) as z.output<typeof LiveEvent>);
    },
    { signal },
  );
}

function heard(event: z.output<typeof LiveEvent>): void {
  switch (event.type) {
    case "ready":
      become("live");
      wait_ms = FIRST_WAIT_MS;
      break;
    case "activity":
    case "skipped":
      again("calls", SOON_MS, (query) => BY_CALL.has(routeOf(query)) && !isDeep(query));
      again("counts", LATER_MS, (query) => !BY_CALL.has(routeOf(query)));
      break;
    default:
      again("all", SOON_MS, () => true);
  }
}

function routeOf({ queryKey: [route] }: Query): string {
  return String(route);
}

function become(next: LiveState): void {
  state = next;
  for (const listener of listeners) listener();
}

/**
 * Reads again, but not for every single row of a burst, and not before what was read last is there: where rows come faster than
 * answers, each reading would be thrown away for the next, and nothing ever shown.
 */
function again(what: string, within_ms: number, which: (query: Query) => boolean): void {
  const before = due.get(what);
  if (before !== undefined) {
    before.missed = true;
    return;
  }
  const turn = { missed: false };
  due.set(what, turn);
  const read = async () => {
    turn.missed = false;
    await queries.invalidateQueries({ predicate: which });
    due.delete(what);
    if (turn.missed) again(what, within_ms, which);
  };
  setTimeout(() => void read(), within_ms);
}
