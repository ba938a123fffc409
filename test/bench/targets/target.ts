import type { Processes } from "../processes.ts";

/** What a target is asked for: a path of the upstream, and whether it is told that the answer will be a stream of events. */
export type Wanted = { path: string; events?: boolean };

/** A server under test, and how it wants to be called. */
export type Target = {
  name: string;
  port: number;
  /** Somebody else's product. */
  foreign: boolean;
  /** Absent where nothing is between (`direct`) or the platform does not tell. */
  processes: Processes | undefined;
  /** The bytes of a call. `vault` picks one of many where the target has them. */
  call(wanted: Wanted, vault?: number): Buffer;
};

/** Calls of one kind to one target, with the status they must have. Several calls are taken in turn. */
export type Lane = { name: string; target: Target; calls: readonly Buffer[]; status: number };

/** The upstream's small answer, at the path where every gateway has it. */
export const SMALL: Wanted = { path: "/v1/chat/completions" };

/** The one call that all targets get, but for their own headers: a short chat completion. */
export function encode(port: number, path: string, events: boolean, headers: Record<string, string> = {}): Buffer {
  const messages = [{ role: "user", content: "Say hello in one word." }];
  const body = JSON.stringify({ model: "bench", messages, stream: events });
  const head = {
    host: `localhost:${port}`,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "user-agent": "apilocker-bench",
    ...headers,
  };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}

/** How the small call to a target is measured. */
export function laneOf(target: Target): Lane {
  return { name: target.name, target, calls: [target.call(SMALL)], status: 200 };
}
