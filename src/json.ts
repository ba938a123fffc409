/** What an answer of JSON says besides: it is nobody's to keep, and nothing but JSON. */
export const JSON_HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

/** Is it what JSON calls an object? Whatever somebody sent is nothing yet that can be asked for its fields. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object that a text is; undefined where it is anything else. */
export function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whoever judges an object judges each of its members, which costs far more than to send it: no more than this is taken. */
const MEMBERS = 1_000;

/** Has this, as JSON was read, an object with more members than anybody is asked for, however deep? */
export function isVast(value: unknown): boolean {
  const left = [value];
  for (let one = left.pop(); one !== undefined; one = left.pop()) {
    if (typeof one !== "object" || one === null) continue;
    const members = Object.values(one);
    if (members.length > MEMBERS && !Array.isArray(one)) return true;
    for (const member of members) left.push(member);
  }
  return false;
}
