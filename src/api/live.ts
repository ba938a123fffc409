import { assertOwnSocket } from "../auth/caller.ts";
import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import { listenRequest } from "../vault/alerts/live.ts";
import type { Handlers } from "./operation.ts";
import type { LIVE_OPERATIONS } from "./schema.ts";

export const liveHandlers: Handlers<typeof LIVE_OPERATIONS> = {
  /** The vault holds the connection itself, so that it may sleep while nothing happens. */
  live: async ({ env, request, vault, who }) => {
    assertOwnSocket(request, configOf(env));
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket")
      throw new Problem("upgrade_required", "Open this as a WebSocket.");
    return vault.fetch(listenRequest(who.caller));
  },
};
