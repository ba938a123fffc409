import { Problem } from "../../problem.ts";
import type { Parts } from "../parts.ts";
import type { Token } from "../tokens/token.ts";

/** Notes that a restore has paused a key, a token or a grant. */
export function putOnHold({ sql }: Parts, id: string): void {
  sql.exec("INSERT INTO on_hold (id) VALUES (?) ON CONFLICT DO NOTHING", id);
}

/**
 * What an alert or a restore has stopped only a person resumes: a device or a client may be what it was stopped for, and of what was changed in a
 * time that was lost it would have back what was taken from it.
 */
export function assertMayResume({ sql, alerts }: Parts, { kind }: Token, id: string): void {
  if (kind === "ses") return;
  if (alerts.hasFrozen(id))
    throw new Problem("insufficient_scope", "An alert has stopped this: a person resumes it in the browser.");
  if (sql.exec("SELECT 1 FROM on_hold WHERE id = ?", id).toArray().length > 0)
    throw new Problem(
      "insufficient_scope",
      "A restore has stopped this: a person looks at it and resumes it in the browser.",
    );
}

/** A person has resumed it. */
export function takeOffHold({ sql }: Parts, id: string): void {
  sql.exec("DELETE FROM on_hold WHERE id = ?", id);
}
