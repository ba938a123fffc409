import { readAtMost } from "../../body.ts";
import { isObject, objectIn } from "../../json.ts";

/** Tokens as a provider gave them. `expires_in_s` is null where it does not say. */
export type Granted = {
  access_token: string;
  /** Absent: the one before goes on (RFC 6749 §6). */
  refresh_token?: string | undefined;
  expires_in_s: number | null;
  scopes?: string | undefined;
};

/**
 * What came of asking. `refused` is final: the same question will be refused again, and a person must connect or mend the
 * client. `trouble` may pass; `lost` where the provider may have granted something that did not arrive. Both name an error code
 * only: nothing else that a provider says is kept or shown.
 */
export type Answered =
  | ({ outcome: "granted" } & Granted)
  | { outcome: "refused"; error: string }
  | { outcome: "trouble"; error: string; lost: boolean; retry_after_s?: number | undefined };

const ANSWER_BYTES = 256 * 1024;
const TOKEN_LENGTH = 16 * 1024;

/** Codes that no repetition mends (RFC 6749 §5.2, RFC 7521 §4.1, and what Slack and GitHub say instead). */
const FINAL = new Set([
  "invalid_grant",
  "invalid_client",
  "unauthorized_client",
  "unsupported_grant_type",
  "invalid_scope",
  "access_denied",
  "invalid_refresh_token",
  "bad_refresh_token",
  "token_revoked",
  "bad_verification_code",
  "incorrect_client_credentials",
  "invalid_client_id",
  "bad_client_secret",
  "invalid_code",
]);

/** An answer in whatever dialect, as one of three things. */
export async function readAnswer(response: Response): Promise<Answered> {
  const { status, headers } = response;
  const said = await bodyOf(response);
  const error = typeof said.error === "string" && /^[\w.-]{1,64}$/.test(said.error) ? said.error : undefined;
  // GitHub and Slack refuse with 200.
  if (error !== undefined && FINAL.has(error)) return { outcome: "refused", error };
  if (status !== 200 && status !== 201) {
    const wait = Number(headers.get("retry-after"));
    const retry_after_s = Number.isFinite(wait) && wait > 0 ? Math.min(wait, 3_600) : undefined;
    return { outcome: "trouble", error: error ?? `status_${status}`, lost: status >= 500, retry_after_s };
  }
  // Slack's tokens of a person, as against a bot's.
  const from = said.access_token === undefined && isObject(said.authed_user) ? said.authed_user : said;
  const { access_token, refresh_token, expires_in, scope } = from;
  if (!isToken(access_token))
    return { outcome: "trouble", error: error ?? "answer_without_token", lost: error === undefined };
  const seconds = Number(expires_in ?? Number.NaN);
  return {
    outcome: "granted",
    access_token,
    refresh_token: isToken(refresh_token) ? refresh_token : undefined,
    expires_in_s: Number.isFinite(seconds) && seconds > 0 ? seconds : null,
    scopes: typeof scope === "string" ? scope.slice(0, 2_048) : undefined,
  };
}

/** At most 256 KiB of JSON, or of a form as GitHub answers those who do not ask. Anything else is no answer: `{}`. */
async function bodyOf({ body, headers }: Response): Promise<Record<string, unknown>> {
  const text = (await readAtMost(body, ANSWER_BYTES))?.toString("utf8") ?? "";
  if (/x-www-form-urlencoded/i.test(headers.get("content-type") ?? "")) {
    return Object.fromEntries(new URLSearchParams(text));
  }
  return objectIn(text) ?? {};
}

/** Goes into a header later: visible ASCII only. */
function isToken(value: unknown): value is string {
  return typeof value === "string" && value.length <= TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(value);
}
