import { expect } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { SECRET } from "./holder.ts";
import { activity, mintToken, newPerson, storeKey } from "./locker.ts";
import { speak, statusesIn } from "./raw_socket.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

/** The way to the key that a raw caller holds. */
export const API = "/v1/proxy/api";

type Tried = { statuses: number[]; heard: string; records: number; urls: string[] };

/** Somebody with a key, a token and no HTTP client. */
export type RawCaller = {
  person: Person;
  upstream: Upstream;
  token: string;
  host: string;
  /** The first lines of an honest request. */
  start(target: string, method?: string): string[];
  /** Says it, and tells what was answered, what reached the upstream, and how many records it made. */
  tried(lines: string[], body?: string): Promise<Tried>;
};

export async function newRawCaller(locker: LocalLocker): Promise<RawCaller> {
  const upstream = await startUpstream();
  const person = await newPerson(locker);
  await storeKey(person, "api", upstream.origin, { secret: SECRET });
  const { token } = await mintToken(person);
  const { host } = new URL(locker.proxyOrigin);
  const calls = async () => (await activity(person, 200)).filter(({ action }) => action === "proxy.call").length;
  const start = (target: string, method = "GET") => [
    `${method} ${target} HTTP/1.1`,
    `Host: ${host}`,
    `Authorization: Bearer ${token}`,
  ];
  const tried = async (lines: string[], body = "") => {
    upstream.seen.length = 0;
    const before = await calls();
    const heard = await speak(locker.proxyOrigin, `${lines.join("\r\n")}\r\n\r\n${body}`);
    const records = (await calls()) - before;
    expect(heard).not.toContain(SECRET);
    // Nothing leaves the vault without a record, whatever shape it came in.
    expect(records).toBeGreaterThanOrEqual(upstream.seen.length);
    for (const { headers } of upstream.seen) {
      expect(headers.host).toBe(new URL(upstream.origin).host);
      expect(JSON.stringify(headers)).not.toContain("alk_");
    }
    const urls = upstream.seen.map(({ method, url }) => `${method} ${url}`);
    return { statuses: statusesIn(heard), heard, records, urls };
  };
  return { person, upstream, token, host, start, tried };
}
