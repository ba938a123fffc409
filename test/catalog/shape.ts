/**
 * A provider's own example of a call, as its documentation prints it. `$KEY` stands where the credential goes: in a header,
 * the query, or `auth` (curl's -u, HTTP Basic).
 */
export type Shape = {
  provider: string;
  method: "GET" | "POST";
  path: string;
  headers?: Record<string, string>;
  auth?: readonly [user: string, password: string];
  body?: string;
  /** What the upstream sees instead, where the documentation knows several places for the key. */
  seen?: { path?: string; headers: Record<string, string> };
};

export const BEARER = { authorization: "Bearer $KEY" };
export const JSON_BODY = { "content-type": "application/json" };
