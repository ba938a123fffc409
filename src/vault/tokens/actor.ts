import type { Actor } from "../audit/row.ts";
import type { Token } from "./token.ts";

/** The token as it is named in audit rows. Access tokens come and go by the hour: what acts is their grant. */
export function actorOf({ kind, id, parent_id, name }: Token): Actor {
  if (kind === "ses") return { kind: "session", id, name };
  if (kind === "dev") return { kind: "device", id, name };
  return kind === "app" ? { kind, id, name } : { kind: "oauth", id: parent_id ?? id, name };
}
