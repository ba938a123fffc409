/** How a command ended, for scripts (CONTRACT §8). `run` answers its child's own code instead. */
export const EXIT = { ok: 0, error: 1, usage: 2, sign_in: 3, unreachable: 4 } as const;

/** A refusal or fault as a person reads it: what went wrong, and what to do next. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly exit_code: number;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(message: string, more: { exit_code?: number; code?: string; hint?: string | undefined } = {}) {
    super(message);
    this.exit_code = more.exit_code ?? EXIT.error;
    this.code = more.code ?? "error";
    this.hint = more.hint;
  }
}

export function usage(message: string, hint?: string): Failure {
  return new Failure(message, { exit_code: EXIT.usage, code: "usage", hint });
}

export function signInNeeded(message: string, hint = "Run: apilocker login"): Failure {
  return new Failure(message, { exit_code: EXIT.sign_in, code: "sign_in_needed", hint });
}
