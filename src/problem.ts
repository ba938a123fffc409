/**
 * Every refusal the product can give, in one table. Code that refuses throws a {@link Problem}; a surface words it:
 * `application/problem+json` (RFC 9457) here, OAuth's JSON and MCP's `isError` from the same rows.
 * `title` and `detail` are always our own words: upstream and exception text goes to the log only.
 */
const PROBLEMS = {
  invalid_request: { status: 422, title: "The request is not valid", oauth: "invalid_request" },
  invalid_token: { status: 401, title: "The token is missing, malformed, expired or revoked", oauth: "invalid_token" },
  sign_in_failed: { status: 400, title: "Signing in did not work", oauth: "access_denied" },
  link_required: { status: 409, title: "This sign-in must be linked first", oauth: "access_denied" },
  csrf_refused: { status: 403, title: "The request did not come from our own page", oauth: "access_denied" },
  browser_refused: { status: 403, title: "The proxy is no place for browsers", oauth: "access_denied" },
  insufficient_scope: { status: 403, title: "The caller may not do this", oauth: "insufficient_scope" },
  policy_denied: { status: 403, title: "The token's policy does not allow this call", oauth: "access_denied" },
  approval_required: { status: 403, title: "A person must approve this call first", oauth: "access_denied" },
  not_found: { status: 404, title: "There is no such thing here", oauth: "invalid_request" },
  method_not_allowed: { status: 405, title: "That method is not served", oauth: "invalid_request" },
  conflict: { status: 409, title: "It is in conflict with what is there", oauth: "invalid_request" },
  gone: { status: 404, title: "There is no such vault", oauth: "invalid_token" },
  too_large: { status: 413, title: "It is larger than allowed", oauth: "invalid_request" },
  unsupported_media_type: { status: 415, title: "Send application/json", oauth: "invalid_request" },
  target_refused: { status: 421, title: "The proxy does not send requests there", oauth: "invalid_target" },
  upgrade_required: { status: 426, title: "This is served as a WebSocket", oauth: "invalid_request" },
  misdirected: { status: 421, title: "This host is not served here", oauth: "invalid_request" },
  paused: { status: 423, title: "It is paused", oauth: "access_denied" },
  frozen: { status: 423, title: "The vault is frozen", oauth: "access_denied" },
  reconnect_required: { status: 424, title: "The credential must be connected first", oauth: "access_denied" },
  // What only an OAuth endpoint says (RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 8707 §2).
  access_denied: { status: 403, title: "It was not allowed", oauth: "access_denied" },
  invalid_grant: { status: 400, title: "The grant is not valid any more", oauth: "invalid_grant" },
  invalid_client: { status: 401, title: "The client is not known or did not prove itself", oauth: "invalid_client" },
  invalid_scope: { status: 400, title: "The scope cannot be granted", oauth: "invalid_scope" },
  invalid_target: { status: 400, title: "There is no such resource here", oauth: "invalid_target" },
  unauthorized_client: { status: 400, title: "The client may not do this", oauth: "unauthorized_client" },
  unsupported_grant_type: { status: 400, title: "That grant type is not served", oauth: "unsupported_grant_type" },
  unsupported_response_type: { status: 400, title: "Only codes are given", oauth: "unsupported_response_type" },
  invalid_redirect_uri: { status: 400, title: "The redirect URI cannot be used", oauth: "invalid_redirect_uri" },
  invalid_client_metadata: {
    status: 400,
    title: "What the client says of itself is not valid",
    oauth: "invalid_client_metadata",
  },
  // What a device hears while it waits (RFC 8628 §3.5).
  authorization_pending: { status: 400, title: "Nobody has answered yet", oauth: "authorization_pending" },
  slow_down: { status: 400, title: "It asks too often", oauth: "slow_down" },
  expired_token: { status: 400, title: "The device code has expired", oauth: "expired_token" },
  rate_limited: { status: 429, title: "Too many requests", oauth: "temporarily_unavailable" },
  /** Between router and vault only: what a call may come to is to be told first. */
  estimate_needed: { status: 503, title: "Temporarily unavailable", oauth: "temporarily_unavailable" },
  upstream_unreachable: { status: 502, title: "The upstream could not be reached", oauth: "server_error" },
  upstream_refused: { status: 502, title: "The upstream's answer cannot be passed on safely", oauth: "server_error" },
  unavailable: { status: 503, title: "Temporarily unavailable", oauth: "temporarily_unavailable" },
  upstream_timeout: { status: 504, title: "The upstream did not answer in time", oauth: "temporarily_unavailable" },
} as const satisfies Record<string, { status: number; title: string; oauth: string }>;

/** A row of the table above. */
export type ProblemCode = keyof typeof PROBLEMS;

/** One bad field of a request: `field` is a dotted path, `rule` says what it must be. */
type FieldError = { field: string; rule: string };

/** What may accompany a refusal. `rule` names the policy rule that refused, `request_id` the audit row. */
export type ProblemExtras = {
  rule?: string | undefined;
  errors?: FieldError[] | undefined;
  retry_after_s?: number | undefined;
  /** By which methods it is served (RFC 9110 §15.5.6). */
  allow?: string | undefined;
  request_id?: string | undefined;
  /** Nobody has said who they are, or not as it is taken: the challenge names no error (RFC 6750 §3.1). */
  anonymous?: true | undefined;
  /** The question that a person must answer first, and where. */
  approval?: { id: string; url: string } | undefined;
};

/** A refusal as plain data, as it crosses RPC. */
export type Refusal = ProblemExtras & { code: ProblemCode; detail: string };

/** A refusal. Thrown by whoever judges, worded by the surface that was asked. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;

  constructor(code: ProblemCode, detail: string, extras: ProblemExtras & { cause?: unknown } = {}) {
    super(detail, { cause: extras.cause });
    const { cause: _logged, ...rest } = extras;
    this.code = code;
    this.extras = rest;
  }

  get status(): number {
    return statusOf(this.code);
  }

  get title(): string {
    return PROBLEMS[this.code].title;
  }

  /** How OAuth calls it. */
  get oauth(): string {
    return PROBLEMS[this.code].oauth;
  }

  toRefusal(): Refusal {
    return { ...this.extras, code: this.code, detail: this.message };
  }

  static from({ code, detail, ...extras }: Refusal): Problem {
    return new Problem(code, detail, extras);
  }
}

/**
 * Logs what went wrong by its kind and its place in our code. Never by its message: that may quote what was being worked on,
 * and that may be a secret.
 */
export function logFault(event: string, fault: unknown, more: Record<string, string | number> = {}): void {
  const { name, message = "", stack = "" } = fault instanceof Error ? fault : { name: typeof fault };
  // The stack begins with the message, which may have lines that look like the stack's own.
  const at = stack
    .replace(message, "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim());
  console.error(JSON.stringify({ event, ...more, fault: name, at: at.slice(0, 8) }));
}

/** The HTTP status that a problem is told with. */
export function statusOf(code: ProblemCode): number {
  return PROBLEMS[code].status;
}

/** Turns whatever was thrown into a Problem; what we did not mean to throw is logged whole and told in one sentence. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  logFault("fault", thrown);
  return new Problem("unavailable", "Something on our side failed. Nothing was changed; try again shortly.", {
    retry_after_s: 1,
    cause: thrown,
  });
}

/** RFC 9457 answer for a problem. */
export function problemResponse(problem: Problem): Response {
  return saying(problemWords(problem));
}

/** What such an answer is made of. */
export type ProblemWords = { text: string; status: number; headers: Headers };

/** The answer that says this. */
export function saying({ text, status, headers }: ProblemWords): Response {
  return new Response(text, { status, headers });
}

/** What HTTP wants said of a refusal, however it is worded. */
export function problemHeaders({ status, extras }: Problem): Record<string, string> {
  const { retry_after_s, allow, anonymous } = extras;
  const challenge = anonymous === true ? 'realm="API Locker"' : 'error="invalid_token"';
  return {
    ...(retry_after_s === undefined ? {} : { "retry-after": String(retry_after_s) }),
    ...(allow === undefined ? {} : { allow }),
    ...(status === 401 ? { "www-authenticate": `Bearer ${challenge}` } : {}),
  };
}

/** A problem in the words of RFC 9457. `more` are members that a surface's clients look for besides (§3.2). */
export function problemWords(problem: Problem, more: object = {}): ProblemWords {
  const { status, title } = PROBLEMS[problem.code];
  const { rule, errors, request_id, approval } = problem.extras;
  const headers = new Headers({
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...problemHeaders(problem),
  });
  if (request_id !== undefined) headers.set("apilocker-request-id", request_id);
  const type = `/problems/${problem.code}`;
  const body = {
    type,
    title,
    status,
    detail: problem.message,
    code: problem.code,
    rule,
    errors,
    request_id,
    approval_url: approval?.url,
    ...more,
  };
  return { text: `${JSON.stringify(body)}\n`, status, headers };
}
