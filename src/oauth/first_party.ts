import type { ClientMetadata } from "./client_metadata.ts";

/** Clients of our own. They are asked about like any other: anybody's program can call itself by their name. */
export const FIRST_PARTY: ReadonlyMap<string, ClientMetadata> = new Map([
  [
    "apilocker-cli",
    {
      client_name: "API Locker CLI",
      redirect_uris: ["http://127.0.0.1/callback", "http://localhost/callback", "http://[::1]/callback"],
      grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "native",
    },
  ],
]);
