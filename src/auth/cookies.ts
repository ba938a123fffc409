import { parse, serialize } from "hono/utils/cookie";
import type { Config } from "../config.ts";

/** `__Host-` pins a cookie to this host and to https; Safari drops `Secure` cookies on http://localhost (CONTRACT §3). */
export function cookieName(config: Config, name: string): string {
  return config.public_origin.startsWith("https:") ? `__Host-${name}` : name;
}

export function readCookie(request: Request, config: Config, name: string): string | undefined {
  const full = cookieName(config, name);
  return parse(request.headers.get("cookie") ?? "", full)[full];
}

/** A `set-cookie` value: HttpOnly, SameSite=Lax, for the whole host. `max_age_s` 0 removes it. */
export function cookie(config: Config, name: string, value: string, max_age_s: number): string {
  const secure = config.public_origin.startsWith("https:");
  return serialize(cookieName(config, name), value, {
    path: "/",
    httpOnly: true,
    sameSite: "Lax",
    secure,
    maxAge: max_age_s,
  });
}

/** The cookie that holds a dashboard session. */
export const SESSION_COOKIE = "apilocker";
