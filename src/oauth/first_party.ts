import type { ClientMetadata } from "./client_metadata.ts";

/** Our command line. It gets no grant but a device token, on a page of its own (devices.md). */
export const CLI = "apilocker-cli";

/** Clients of our own. They are asked about like any other: anybody's program can call itself by their name. */
export const FIRST_PARTY: ReadonlyMap<string, ClientMetadata> = new Map([
  [
    CLI,
    {
      client_name: "API Locker CLI",
      redirect_uris: ["http://127.0.0.1/callback", "http://localhost/callback", "http://[::1]/callback"],
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "native",
    },
  ],
]);
