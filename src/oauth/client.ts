import * as z from "zod";
import type { Config } from "../config.ts";
import { findClient as findRegistered, type RegisteredClient } from "../directory/clients.ts";
import { Problem } from "../problem.ts";
import type { ClientSnapshot } from "../vault/tokens/grants.ts";
import { fetchClient, isDocumentUrl, recallClient } from "./client_document.ts";
import { readMetadata, type AuthMethod, type ClientMetadata } from "./client_metadata.ts";
import { FIRST_PARTY } from "./first_party.ts";

/** An OAuth client as we know it now, wherever we know it from. */
export type Client = {
  id: string;
  metadata: ClientMetadata;
  auth_methods: readonly AuthMethod[];
} & (
  | { registration: "registered"; stored: RegisteredClient }
  | { registration: "document" }
  | { registration: "first_party" }
);

const Stored = z.record(z.string(), z.unknown());

/** Who has signed in, if somebody has? Only for them is a client's document fetched (SECURITY S29). */
type Asker = { vault_id: string } | "anybody";

/** The client of that id, or a refusal: it was never here, has expired, or was deleted. */
export async function mustFindClient(env: Env, config: Config, id: string, asker: Asker): Promise<Client> {
  const first_party = FIRST_PARTY.get(id);
  if (first_party !== undefined) {
    return { id, registration: "first_party", metadata: first_party, auth_methods: ["none"] };
  }
  if (isDocumentUrl(id)) {
    const client = await (asker === "anybody" ? recallClient(env, config, id) : fetchClient(env, config, id, asker));
    if (client !== undefined) return { id, registration: "document", ...client };
  }
  const stored = await findRegistered(env.DB, id, Date.now());
  if (stored === undefined)
    throw new Problem("invalid_client", "This client is not registered here. Register it again.");
  const metadata = readMetadata(Stored.parse(JSON.parse(stored.metadata)), config);
  return { id, registration: "registered", stored, metadata, auth_methods: [metadata.token_endpoint_auth_method] };
}

/** What a grant remembers of the client; what the client says of itself later changes nothing there (SECURITY S11). */
export function snapshotOf({ registration, metadata }: Client, redirect_uri: string): ClientSnapshot {
  return {
    registration,
    name: metadata.client_name,
    homepage: metadata.client_uri ?? null,
    logo: metadata.logo_uri ?? null,
    redirect_uris: [redirect_uri],
  };
}
