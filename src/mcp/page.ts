import * as z from "zod";
import { ask } from "../vault/answer.ts";
import type { Wish } from "../vault/keys/page_links.ts";
import type { Page } from "./person.ts";
import type { Asked } from "./tool.ts";

/** How a tool answers whose secret passes on a page of ours and not here (SECURITY S21). */
export const HandedOver = z.object({
  status: z.enum(["opened", "declined", "link"]),
  url: z
    .string()
    .optional()
    .describe("For the owner to open in a browser where they are signed in; works once, for ten minutes"),
  expires_at: z.string().optional(),
  next: z.string(),
});

const DECLINED = "The owner did not want the page opened: nothing was changed. Ask them before you try again.";

/** Sends the owner to a one-time page: opened by the client where it can, else a link for the model to pass on. */
export function handOver(asked: Asked, message: string, wish: Wish, next: string) {
  const { vault, caller, config } = asked;
  const make = async () => {
    const { handle, expires_at } = await ask(vault.createPageLink(caller, wish));
    return { url: `${config.public_origin}/entry/${handle}`, expires_at: new Date(expires_at).toISOString() };
  };
  return handTo(asked, message, make, next);
}

/** The same for a page that was made elsewhere. */
export async function handTo({ person }: Asked, message: string, make: () => Promise<Page>, next: string) {
  const handed = await person.show(message, make);
  return { ...handed, next: handed.status === "declined" ? DECLINED : next };
}
