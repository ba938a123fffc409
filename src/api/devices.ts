import { configOf } from "../config.ts";
import { ask } from "../vault/answer.ts";
import type { Device } from "../vault/tokens/devices.ts";
import { paged, type Handlers } from "./operation.ts";
import type { DEVICE_OPERATIONS } from "./schema.ts";
import { wireDevice, wireReceipt, wireTime, wireToken } from "./wire.ts";

export const deviceHandlers: Handlers<typeof DEVICE_OPERATIONS> = {
  listDevices: async ({ vault, who, query }) => {
    const { limit, cursor } = query;
    const devices = await ask(vault.listDevices(who.caller, cursor, limit + 1));
    return paged(
      devices.map((one) => wireDevice(one, one.hash === who.caller.hash)),
      limit,
      ({ id }) => id,
    );
  },
  getDevice: async ({ vault, who, param }) => {
    const device = await ask(vault.getDevice(who.caller, param("id")));
    return wireDevice(device, device.hash === who.caller.hash);
  },
  changeDevice: async ({ vault, who, param, body }) => {
    const id = param("id");
    let device: Device | undefined;
    if (body.name !== undefined) device = await ask(vault.renameDevice(who.caller, id, body.name));
    if (body.reveal !== undefined) device = await ask(vault.lockDevice(who.caller, id));
    if (body.ask !== undefined) device = await ask(vault.askBeforeDevice(who.caller, id, body.ask));
    device ??= await ask(vault.getDevice(who.caller, id));
    return wireDevice(device, device.hash === who.caller.hash);
  },
  unlockDevice: async ({ env, vault, who }) => {
    const { id, expires_at } = await ask(vault.askToUnlock(who.caller));
    return { url: `${configOf(env).public_origin}/device/unlock/${id}`, expires_at: wireTime(expires_at) };
  },
  keepToken: async ({ vault, who, param, body }) =>
    wireToken(await ask(vault.keepToken(who.caller, param("id"), body.seconds * 1_000))),
  restoreDevice: async ({ vault, who, param }) =>
    wireDevice(await ask(vault.giveDeviceBack(who.caller, param("id"))), false),
  revokeDevice: async ({ vault, who, param }) => wireReceipt(await ask(vault.revokeDevice(who.caller, param("id")))),
};
