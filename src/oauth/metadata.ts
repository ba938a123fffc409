import { Hono } from "hono";
import { configOf, type Config } from "../config.ts";
import { SCOPES } from "../vault/policy/scopes.ts";
import { ASSERTION_ALGORITHMS } from "./assertion.ts";
import { AUTH_METHODS } from "./client_metadata.ts";
import { GRANT_TYPES } from "./grants/table.ts";
import { RESOURCE_PATH, resourceOf } from "./resource.ts";
import { CORS } from "./wording.ts";

/** RFC 8414. */
function serverMetadata(config: Config): object {
  const { public_origin: issuer } = config;
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    registration_endpoint: `${issuer}/register`,
    revocation_endpoint: `${issuer}/revoke`,
    introspection_endpoint: `${issuer}/introspect`,
    device_authorization_endpoint: `${issuer}/device_authorization`,
    scopes_supported: SCOPES,
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    grant_types_supported: Object.keys(GRANT_TYPES),
    token_endpoint_auth_methods_supported: AUTH_METHODS,
    revocation_endpoint_auth_methods_supported: AUTH_METHODS,
    introspection_endpoint_auth_methods_supported: AUTH_METHODS.filter((method) => method !== "none"),
    // Each must be told where private_key_jwt is among the ways (RFC 8414 §2).
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    code_challenge_methods_supported: ["S256"],
    client_id_metadata_document_supported: true,
    authorization_response_iss_parameter_supported: true,
    protected_resources: [resourceOf(config)],
    service_documentation: `${issuer}/docs`,
  };
}

/** RFC 9728. What a client should ask for when nobody tells it: no `offline_access`, and never the scope that shows secrets. */
function resourceMetadata(config: Config): object {
  return {
    resource: resourceOf(config),
    authorization_servers: [config.public_origin],
    scopes_supported: SCOPES.filter((scope) => scope !== "vault:reveal"),
    bearer_methods_supported: ["header"],
    resource_name: "API Locker",
    resource_documentation: `${config.public_origin}/docs`,
  };
}

/** The forms in which clients of all ages look for one document: the host's, the path inserted, the path in front. */
function forms(name: string): string[] {
  return [`/.well-known/${name}`, `/.well-known/${name}${RESOURCE_PATH}`, `${RESOURCE_PATH}/.well-known/${name}`];
}

/** Discovery. Everything is told from PUBLIC_ORIGIN, whatever a Host header says. */
export const discovery = new Hono<{ Bindings: Env }>();

for (const path of ["/.well-known/*", `${RESOURCE_PATH}/.well-known/*`]) {
  discovery.use(path, async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(CORS)) context.header(name, value);
  });
  discovery.options(path, () => new Response(null, { status: 204 }));
}
for (const path of ["oauth-authorization-server", "openid-configuration"].flatMap(forms))
  discovery.get(path, ({ env }) => published(serverMetadata(configOf(env))));
for (const path of forms("oauth-protected-resource"))
  discovery.get(path, ({ env }) => published(resourceMetadata(configOf(env))));

function published(document: object): Response {
  const headers = {
    "content-type": "application/json",
    "cache-control": "public, max-age=300",
    "x-content-type-options": "nosniff",
  };
  return new Response(`${JSON.stringify(document)}\n`, { headers });
}
