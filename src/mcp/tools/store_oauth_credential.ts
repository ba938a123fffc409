import * as z from "zod";
import { KeyName } from "../../api/schema.ts";
import { catalogDestination } from "../destination.ts";
import { handOver, HandedOver } from "../page.ts";
import { tool } from "../tool.ts";

export const store_oauth_credential = tool({
  name: "store_oauth_credential",
  title: "Store an OAuth credential",
  description:
    "Prepares a credential that renews itself (an OAuth client, a service account) and sends the owner to a page of ours to type its client id and secret and connect it. Never ask for them in a chat.",
  scope: "vault:write",
  effect: "adds",
  input: z.strictObject({
    name: KeyName.describe("Name of the key"),
    provider: z.string().min(1).max(40).describe("Provider id of category oauth from list_providers"),
    scopes: z
      .string()
      .max(1_024)
      .regex(/^[\x20-\x7e]*$/, "must be printable ASCII")
      .optional()
      .describe("Scopes to ask the provider for; the usual ones if left out"),
    note: z.string().max(2_000).optional(),
  }),
  output: HandedOver,
  run: async (asked, { name, provider, scopes, note = null }) => {
    const destination = catalogDestination(provider, asked.config, "oauth", scopes);
    const key = { name, note, scrub: false, tags: [], revealable: false, expires_at: null, destination };
    const message = `Type the OAuth client of the new credential "${name}" (${new URL(destination.origin).host}).`;
    const next =
      "Once the owner has typed it, they may connect it there, or connect_key gives them the page; get_key_metadata shows how it stands.";
    return handOver(asked, message, { kind: "store", key }, next);
  },
});
