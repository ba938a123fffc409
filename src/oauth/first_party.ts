import type { ClientMetadata } from "./client_metadata.ts";

/** Our command line. It gets no grant but a device token, on a page of its own (devices.md). */
export const CLI = "apilocker-cli";

/** Whoever exchanges a machine's token, where it does not say who it is: it has nothing to prove but the token. */
export const WORKLOAD = "apilocker-workload";

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
  [
    WORKLOAD,
    {
      client_name: "A machine with a token of its own",
      redirect_uris: [],
      grant_types: ["urn:ietf:params:oauth:grant-type:token-exchange"],
      response_types: [],
      token_endpoint_auth_method: "none",
    },
  ],
]);
