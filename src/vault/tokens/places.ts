import type { Origin } from "../audit/row.ts";
import { networkOf } from "../policy/network.ts";

type Place = Pick<Origin, "ip" | "user_agent">;

const PLACE_MS = 24 * 60 * 60_000;
const PLACES = 32;

/** Table `family_place`: from which networks and agents a family was refreshed in the last 24 hours. */
export class Places {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  isKnown(family: number, { ip, user_agent }: Place, now: number): boolean {
    const seen = this.#sql.exec(
      "SELECT 1 FROM family_place WHERE family = ? AND network = ? AND user_agent = ? AND seen_at >= ?",
      family,
      networkOf(ip),
      user_agent,
      now - PLACE_MS,
    );
    return seen.toArray().length > 0;
  }

  see(family: number, { ip, user_agent }: Place, now: number): void {
    this.#sql.exec(
      `INSERT INTO family_place (family, network, user_agent, seen_at) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET seen_at = excluded.seen_at`,
      family,
      networkOf(ip),
      user_agent,
      now,
    );
    this.#sql.exec(
      `DELETE FROM family_place WHERE family = ?1 AND (seen_at < ?2 OR (network, user_agent) NOT IN (
         SELECT network, user_agent FROM family_place WHERE family = ?1 ORDER BY seen_at DESC LIMIT ${PLACES}))`,
      family,
      now - PLACE_MS,
    );
  }
}

/** The same network and the same agent: as much as an address and a header tell. */
export function isSamePlace(one: Place, other: Place): boolean {
  return networkOf(one.ip) === networkOf(other.ip) && one.user_agent === other.user_agent;
}
