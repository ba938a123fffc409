import * as z from "zod";
import { deviceHandlers } from "../../api/devices.ts";
import { Device } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { listOf, pagesOf } from "../shapes.ts";
import { tool } from "../tool.ts";

export const list_devices = tool({
  name: "list_devices",
  title: "List devices",
  description: "Lists the computers that are signed in with the command line, with their last use.",
  scope: "vault:read",
  effect: "reads",
  reading: "listDevices",
  input: z.strictObject(pagesOf("dev")),
  output: listOf(Device),
  run: async (by, query) =>
    answerOf(await deviceHandlers.listDevices({ ...operationOf(by, "vault:read"), query, body: {} })),
});
