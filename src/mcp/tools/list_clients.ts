import * as z from "zod";
import { grantHandlers } from "../../api/grants.ts";
import { Grant } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { listOf, pagesOf } from "../shapes.ts";
import { tool } from "../tool.ts";

export const list_clients = tool({
  name: "list_clients",
  title: "List connected clients",
  description: "Lists the OAuth and MCP clients that the owner has connected, with their scopes, keys and last use.",
  scope: "vault:read",
  effect: "reads",
  reading: "listGrants",
  input: z.strictObject(pagesOf("grt")),
  output: listOf(Grant),
  run: async (by, query) =>
    answerOf(await grantHandlers.listGrants({ ...operationOf(by, "vault:read"), query, body: {} })),
});
