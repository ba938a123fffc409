import { randomBytes } from "node:crypto";
import { Hono } from "hono";
import { ulid } from "ulid";
import { bearerIn } from "../auth/bearer.ts";
import { limitAddress } from "../auth/limit.ts";
import { originOf } from "../auth/origin.ts";
import { isOfType, readText } from "../body.ts";
import { configOf, type Config } from "../config.ts";
import { addClient, changeClient, findClient, removeClient, type RegisteredClient } from "../directory/clients.ts";
import { Problem } from "../problem.ts";
import { hashOfSecret, limitStranger, sameText } from "./authenticate.ts";
import { readMetadata, type ClientMetadata } from "./client_metadata.ts";
import { FORM_BYTES } from "./form.ts";
import { CORS, json, oauthRefusal } from "./wording.ts";

/** What a registration answers once, and what a client's own page answers any time. */
type Shown = { client_secret?: string; registration_access_token: string };

const METADATA_LENGTH = 16 * 1024;

/**
 * Dynamic client registration (RFC 7591) and its management (RFC 7592). Anybody may register, so a registration proves nothing:
 * it is marked unverified wherever a person sees it, is bounded in size and rate, and expires unless it is used.
 */
export const registration = new Hono<{ Bindings: Env }>()
  .options("/register", () => new Response(null, { status: 204, headers: CORS }))
  .options("/register/:id", () => new Response(null, { status: 204, headers: CORS }))
  .post("/register", async ({ env, req }) => {
    const config = configOf(env);
    const limited = { detail: "Too many registrations from your address." };
    await limitAddress(env.REGISTER_LIMIT, originOf(req.raw).ip, limited);
    const metadata = readMetadata(await readMetadataText(req.raw), config);
    const secret = metadata.token_endpoint_auth_method.startsWith("client_secret") ? newSecret() : undefined;
    const registration_access_token = newSecret();
    const client = {
      id: `cli_${ulid()}`,
      metadata: JSON.stringify(metadata),
      secret_hash: secret === undefined ? null : hashOfSecret(secret),
      registration_hash: hashOfSecret(registration_access_token),
      created_at: Date.now(),
    };
    await addClient(env.DB, client);
    const shown = { ...(secret === undefined ? {} : { client_secret: secret }), registration_access_token };
    return json(informationOf(config, client, metadata, shown), 201);
  })
  .get("/register/:id", async ({ env, req }) => {
    const { client, shown } = await managed(env, req.raw, req.param("id"));
    const config = configOf(env);
    return json(informationOf(config, client, readMetadata(JSON.parse(client.metadata), config), shown));
  })
  .put("/register/:id", async ({ env, req }) => {
    const { client, shown } = await managed(env, req.raw, req.param("id"));
    const config = configOf(env);
    const said = await readMetadataText(req.raw);
    if (typeof said !== "object" || said === null || !("client_id" in said) || said.client_id !== client.id)
      throw new Problem("invalid_client_metadata", "client_id must be the client's own.");
    // Nobody chooses a secret of their own (RFC 7592 §2.2).
    if ("client_secret" in said && said.client_secret !== null && !isSecretOf(client, said.client_secret))
      throw new Problem("invalid_client_metadata", "client_secret is not the client's own.");
    const metadata = readMetadata(said, config);
    const had = readMetadata(JSON.parse(client.metadata), config).token_endpoint_auth_method;
    if (metadata.token_endpoint_auth_method !== had)
      throw new Problem("invalid_client_metadata", "token_endpoint_auth_method cannot be changed; register again.");
    await changeClient(env.DB, client.id, JSON.stringify(metadata));
    return json(informationOf(config, client, metadata, shown));
  })
  .delete("/register/:id", async ({ env, req }) => {
    const { client } = await managed(env, req.raw, req.param("id"));
    await removeClient(env.DB, client.id);
    return new Response(null, { status: 204, headers: { "cache-control": "no-store", ...CORS } });
  })
  .onError((thrown) => oauthRefusal(thrown, "Bearer"));

/** The client whose registration token this is; for a client that is not there the answer is the same (RFC 7592 §2). */
async function managed(env: Env, request: Request, id: string): Promise<{ client: RegisteredClient; shown: Shown }> {
  const bearer = bearerIn(request) ?? "";
  await limitStranger(env, request);
  const client = await findClient(env.DB, id, Date.now());
  if (client === undefined || !sameText(hashOfSecret(bearer), client.registration_hash))
    throw new Problem("invalid_token", "This registration token opens no client here.");
  return { client, shown: { registration_access_token: bearer } };
}

function isSecretOf({ secret_hash }: RegisteredClient, secret: unknown): boolean {
  return secret_hash !== null && typeof secret === "string" && sameText(hashOfSecret(secret), secret_hash);
}

async function readMetadataText(request: Request): Promise<unknown> {
  const text = await readText(request, FORM_BYTES);
  if (!isOfType(request, "application/json"))
    throw new Problem("invalid_client_metadata", "Send the metadata as application/json.");
  if (text.length > METADATA_LENGTH)
    throw new Problem("invalid_client_metadata", "The metadata is longer than 16 KiB.");
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem("invalid_client_metadata", "The metadata is not JSON.");
  }
}

/** RFC 7591 §3.2.1: what was registered, which is not all that was said. */
function informationOf(
  config: Config,
  client: Pick<RegisteredClient, "id" | "created_at">,
  metadata: ClientMetadata,
  shown: Shown,
) {
  return {
    client_id: client.id,
    client_id_issued_at: Math.floor(client.created_at / 1_000),
    ...(shown.client_secret === undefined ? {} : { client_secret_expires_at: 0 }),
    ...metadata,
    ...shown,
    registration_client_uri: `${config.public_origin}/register/${client.id}`,
  };
}

function newSecret(): string {
  return randomBytes(32).toString("base64url");
}
