import { Connection } from "../client/connection.ts";
import { now } from "../clock.ts";
import { median } from "../statistics.ts";
import { KEY, mintToken, openAccount, storeKey, type Account } from "../targets/accounts.ts";
import { lockerCall, type Field } from "../targets/start.ts";
import { SMALL, type Lane } from "../targets/target.ts";
import { measureLatency } from "./latency.ts";

/** What a vault of some size costs: a call (median ms), and a page of keys and of activity. */
export type VaultSize = { keys: number; rows: number; call_ms: number; keys_page_ms: number; activity_page_ms: number };

const AT_ONCE = 16;
const PAGES = 10;

/** A vault with one key, one with many (each call takes another), one with many audit rows. */
export async function measureVaultSizes(
  { locker, upstream }: Field,
  { rounds, calls, keys, rows }: { rounds: number; calls: number; keys: number; rows: number },
): Promise<VaultSize[]> {
  const { target, origin } = locker;
  const lane = (name: string, { token }: Account, names = [KEY]): Lane => {
    return { name, target, calls: names.map((key) => lockerCall(target.port, SMALL, token, key)), status: 200 };
  };
  const fresh = await openAccount(origin, upstream, "fresh@example.com");
  const wide = await openAccount(origin, upstream, "wide@example.com");
  const names = await storeKeys(wide, upstream, keys);
  const reach_all = { ...wide, ...(await mintToken(wide.person)) };
  const deep = await openAccount(origin, upstream, "deep@example.com");
  const lanes = [lane("fresh", fresh), lane("wide", reach_all, names), lane("deep", deep)];
  await fill(lane("deep", deep), rows);

  const latency = await measureLatency(lanes, { rounds, calls });
  const size = async (name: string, { person }: Account, has: { keys: number; rows: number }): Promise<VaultSize> => ({
    ...has,
    call_ms: latency.get(name)?.p50 ?? Number.NaN,
    keys_page_ms: await timePage(person, "/v1/keys?limit=50"),
    activity_page_ms: await timePage(person, "/v1/activity?limit=50"),
  });
  return [
    await size("fresh", fresh, { keys: 1, rows: 1 }),
    await size("wide", wide, { keys, rows: 1 }),
    await size("deep", deep, { keys: 1, rows }),
  ];
}

async function storeKeys({ person }: Account, upstream: number, count: number): Promise<string[]> {
  const names = Array.from({ length: count - 1 }, (_, i) => `key-${i}`);
  const left = [...names];
  const store = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) await storeKey(person, name, upstream);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, store));
  return [KEY, ...names];
}

/** Makes that many calls, so that their rows are there. */
async function fill({ target, calls }: Lane, rows: number): Promise<void> {
  let left = rows;
  const callOn = async () => {
    const connection = await Connection.open(target.port);
    while (left-- > 0) await connection.exchange(calls[0] as Buffer);
    connection.close();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, callOn));
}

async function timePage(person: Account["person"], path: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < PAGES; i++) {
    const started = now();
    await person.api("GET", path);
    times.push(now() - started);
  }
  return median(times);
}
