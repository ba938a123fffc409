import { checksum } from "../../../src/crypto/encoding.ts";
import { signIn, type Person } from "../../../src/local/person.ts";

/** Somebody with a vault, a key to the upstream and an app token for it. */
export type Account = { person: Person; token: string; token_id: string };

export const KEY = "bench";

/** As long as providers' keys are: the longer a secret, the dearer to keep it out of answers. */
const SECRET = `sk-${"not-a-secret-for-".repeat(3)}bench`;
const AT_ONCE = 8;

/** `count` people, each with a vault of their own. */
export async function openAccounts(origin: string, upstream: number, count: number): Promise<Account[]> {
  const accounts: Account[] = [];
  for (let first = 0; first < count; first += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - first) }, (_, i) => `person-${first + i}@example.com`);
    accounts.push(...(await Promise.all(some.map((email) => openAccount(origin, upstream, email)))));
  }
  return accounts;
}

export async function openAccount(origin: string, upstream: number, email: string): Promise<Account> {
  const person = await signIn(origin, email);
  await storeKey(person, KEY, upstream);
  return { person, ...(await mintToken(person, [KEY])) };
}

export async function storeKey(person: Person, name: string, upstream: number): Promise<void> {
  await person.api("POST", "/v1/keys", {
    name,
    provider: "custom",
    secret: SECRET,
    base_url: `http://127.0.0.1:${upstream}`,
  });
}

/** An app token; without `keys` it reaches every key. */
export async function mintToken(person: Person, keys?: string[]): Promise<{ token: string; token_id: string }> {
  const wanted = { name: "bench", policy: keys === undefined ? {} : { keys } };
  const { id, token } = await person.api<{ id: string; token: string }>("POST", "/v1/tokens", wanted);
  return { token, token_id: id };
}

/** A token that only its signature gives away: spelled right, checksum right. The dearest to refuse. */
export function forge(token: string): string {
  const body = token.slice(0, -6);
  const forged = body.slice(0, -1) + (body.endsWith("0") ? "1" : "0");
  return forged + checksum(forged);
}
