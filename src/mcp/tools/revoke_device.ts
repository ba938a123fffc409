import * as z from "zod";
import { deviceHandlers } from "../../api/devices.ts";
import { Receipt } from "../../api/schema.ts";
import { answerOf, operationOf } from "../operation.ts";
import { confirmedName, idOf } from "../shapes.ts";
import { tool } from "../tool.ts";

export const revoke_device = tool({
  name: "revoke_device",
  title: "Revoke a device",
  description: "Signs a computer out and ends every token that it made. The owner is asked first.",
  scope: "vault:write",
  effect: "destroys",
  input: z.strictObject({ id: idOf("a device"), confirm: confirmedName("the device's name") }),
  output: Receipt,
  run: async ({ person, ...by }, { id, confirm }) => {
    const asked = operationOf(by, "vault:write", { id });
    const { name } = answerOf(await deviceHandlers.getDevice({ ...asked, query: {}, body: {} }));
    const question = `Sign the device "${name}" out?`;
    await person.confirm({ act: "revoke_device", subject: id, name, question }, confirm);
    return answerOf(await deviceHandlers.revokeDevice({ ...asked, query: {}, body: {} }));
  },
});
