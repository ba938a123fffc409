import type { Parts } from "../parts.ts";

/** The account that this vault belongs to. */
export function accountIdOf({ sql }: Parts): string {
  return sql.exec<{ account_id: string }>("SELECT account_id FROM vault").one().account_id;
}

/** What its owner calls this account; null where nothing was said. */
export function accountNameOf({ sql }: Parts): string | null {
  return sql.exec<{ name: string | null }>("SELECT name FROM vault").one().name;
}
