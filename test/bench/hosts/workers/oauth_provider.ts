import { OAuthProvider, type OAuthHelpers } from "@cloudflare/workers-oauth-provider";

type Bindings = { ORIGIN: string; OAUTH_KV: KVNamespace; OAUTH_PROVIDER: OAuthHelpers };

/** Cloudflare's own authorization server, as its README sets it up. Whoever asks is let in at once: only tokens are measured. */
const authorize: ExportedHandler<Bindings> = {
  async fetch(request, { OAUTH_PROVIDER }) {
    if (new URL(request.url).pathname !== "/authorize") return new Response(null, { status: 404 });
    const asked = await OAUTH_PROVIDER.parseAuthRequest(request);
    const { redirectTo } = await OAUTH_PROVIDER.completeAuthorization({
      request: asked,
      userId: new URL(request.url).searchParams.get("state") ?? "somebody",
      metadata: {},
      scope: asked.scope,
      props: { account: "bench" },
      revokeExistingGrants: false,
    });
    return Response.redirect(redirectTo, 302);
  },
};

let provider: OAuthProvider<Bindings> | undefined;

export default {
  fetch(request, env, ctx) {
    provider ??= new OAuthProvider<Bindings>({
      apiRoute: "/mcp",
      apiHandler: { fetch: async () => new Response("served") },
      defaultHandler: authorize,
      authorizeEndpoint: "/authorize",
      tokenEndpoint: "/token",
      clientRegistrationEndpoint: "/register",
      scopesSupported: ["vault:read", "offline_access"],
      resourceMetadata: { resource: `${env.ORIGIN}/mcp`, authorization_servers: [env.ORIGIN] },
      requiredScopes: ["vault:read"],
    });
    return provider.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<Bindings>;
