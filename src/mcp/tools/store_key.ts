import * as z from "zod";
import { KeyName } from "../../api/schema.ts";
import { catalogDestination } from "../destination.ts";
import { handOver, HandedOver } from "../page.ts";
import { tool } from "../tool.ts";

export const store_key = tool({
  name: "store_key",
  title: "Store a key",
  description:
    "Prepares a new key and sends the owner to a page of ours to type its secret. Never ask for the secret in a chat, and never pass one here.",
  scope: "vault:write",
  effect: "adds",
  input: z.strictObject({
    name: KeyName.describe("Name of the key"),
    provider: z.string().min(1).max(40).describe("Provider id from list_providers"),
    note: z.string().max(2_000).optional(),
    scrub: z.boolean().default(false).describe("Search every answer for the secret, not only errors"),
  }),
  output: HandedOver,
  run: async (asked, { name, provider, note = null, scrub }) => {
    const destination = catalogDestination(provider, asked.config, "key");
    const key = { name, note, scrub, tags: [], revealable: false, expires_at: null, destination };
    const message = `Type the secret for the new key "${name}" (${new URL(destination.origin).host}).`;
    return handOver(asked, message, { kind: "store", key }, "Once the owner has typed it, list_keys shows the key.");
  },
});
