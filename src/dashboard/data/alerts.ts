import type { Answer } from "./api.ts";

export type Alert = Answer<"GET /alerts">["items"][number];

/** Whether nobody has seen it yet. One that somebody is just seeing is open no more, before the vault has said so. */
export function isOpen({ acknowledged_at }: Alert): boolean {
  return acknowledged_at === undefined;
}
