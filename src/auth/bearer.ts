import { Problem } from "../problem.ts";

/** The token that a request shows in its header (RFC 6750 §2.1). */
export function bearerIn({ headers }: Request): string | undefined {
  return /^bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
}

/** As {@link bearerIn}, but none is a refusal; one that names an error only where something was shown that way (RFC 6750 §3.1). */
export function mustShowBearer(request: Request, detail: string): string {
  const shown = bearerIn(request);
  if (shown !== undefined) return shown;
  const tried = /^bearer\b/i.test(request.headers.get("authorization") ?? "");
  throw new Problem("invalid_token", detail, tried ? {} : { anonymous: true });
}
