import type * as oauth from "oauth4webapi";
import * as z from "zod";
import type { Identity } from "../vault/account/identities.ts";
import { fetchProvider } from "./outbound.ts";

/** GitHub's authorization server. It publishes no metadata (docs.github.com, "Authorizing OAuth apps"). */
export const GITHUB: oauth.AuthorizationServer = {
  issuer: "https://github.com/login/oauth",
  authorization_endpoint: "https://github.com/login/oauth/authorize",
  token_endpoint: "https://github.com/login/oauth/access_token",
};

const User = z.object({ id: z.int().positive(), name: z.string().nullish(), login: z.string() });
const Emails = z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() }));

/** Who holds the access token: by numeric id, since logins and addresses can change hands (SECURITY S11). */
export async function fetchGitHubIdentity(access_token: string): Promise<Identity> {
  const user = User.parse(await get("https://api.github.com/user", access_token));
  const emails = Emails.safeParse(await get("https://api.github.com/user/emails", access_token)).data ?? [];
  const primary = emails.find((one) => one.primary);
  return {
    issuer: "https://github.com",
    subject: String(user.id),
    email: primary?.email.slice(0, 320) ?? null,
    email_verified: primary?.verified ?? false,
    name: (user.name ?? user.login).slice(0, 200),
  };
}

async function get(url: string, access_token: string): Promise<unknown> {
  const response = await fetchProvider(url, {
    headers: {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${access_token}`,
      "user-agent": "apilocker",
      "x-github-api-version": "2022-11-28",
    },
  });
  if (!response.ok) throw new Error(`GitHub answered ${response.status}`);
  return response.json();
}
