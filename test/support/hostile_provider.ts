import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What a hostile OpenID provider puts into the ID token, over what would be right. */
export type Lie = { iss?: string; aud?: string; nonce?: string; exp?: number; sub?: string };

/** An OpenID provider that answers whatever a test wants. Its ID tokens are unsigned: they come over the back channel. */
export async function startHostileProvider(client_id: string) {
  let nonce = "";
  let lie: Lie = {};
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", origin);
    if (url.pathname === "/authorize") {
      nonce = url.searchParams.get("nonce") ?? "";
      const back = new URL(url.searchParams.get("redirect_uri") ?? "");
      back.search = new URLSearchParams({ code: "code", state: url.searchParams.get("state") ?? "" }).toString();
      return response.writeHead(302, { location: back.href }).end();
    }
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: origin,
      aud: client_id,
      sub: "mallory",
      email: "ada@example.com",
      email_verified: true,
      nonce,
      iat: now,
      exp: now + 300,
      ...lie,
    };
    const token = [{ alg: "RS256" }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const answer =
      url.pathname === "/token"
        ? { access_token: "at", token_type: "Bearer", id_token: `${token}.c2ln` }
        : {
            issuer: origin,
            authorization_endpoint: `${origin}/authorize`,
            token_endpoint: `${origin}/token`,
            jwks_uri: `${origin}/jwks`,
            id_token_signing_alg_values_supported: ["RS256"],
          };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  // As in upstream.ts: what the runtime keeps is not closed under it.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    tell: (next: Lie) => {
      lie = next;
    },
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}
