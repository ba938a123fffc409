import { configOf } from "../config.ts";
import { ask } from "../vault/answer.ts";
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
    const device = await ask(vault.changeDevice(who.caller, param("id"), body));
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
