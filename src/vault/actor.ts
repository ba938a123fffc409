import type { Actor } from "./audit.ts";
import type { Token } from "./tokens.ts";

/** The token as it is named in audit rows. */
export function actorOf({ kind, id, name }: Token): Actor {
  if (kind === "ses") return { kind: "session", id, name };
  if (kind === "dev") return { kind: "device", id, name };
  return { kind: kind === "app" ? "app" : "oauth", id, name };
}
