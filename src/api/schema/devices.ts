import * as z from "zod";
import { Ask, StoredAsk } from "./policy.ts";
import { Token } from "./tokens.ts";
import { listOf, nameOf, pagesOf, PEOPLE, Receipt, time, type Operation } from "./common.ts";

export const Device = z.object({
  id: z.string(),
  name: z.string(),
  platform: z.string(),
  current: z.boolean(),
  created_at: time,
  seen_at: time.optional(),
  expires_at: time.optional(),
  revoked_at: time.optional(),
  reveal_until: time.optional().meta({ description: "Until when it may be shown secrets of revealable keys" }),
  unlock_asked_at: time.optional().meta({ description: "Asks to be shown secrets, and nobody has answered yet" }),
  keys: z.array(z.string()).optional().meta({ description: "Ids of the keys it may use; absent: every key" }),
  calls_a_minute: z.int().optional().meta({ description: "How often it may call; absent: as often as it likes" }),
  ask: StoredAsk.optional().meta({ description: "Calls that need a person's yes first; absent: none" }),
  last_used_at: time.optional(),
  uses: z.int(),
  refused: z.int(),
});

export const DevicePatch = z.strictObject({
  name: nameOf(100).optional(),
  reveal: z.literal("none").optional().meta({ description: "Show it no more secrets" }),
  ask: Ask.optional().meta({ description: "Calls that need a person's yes first; never fewer than before" }),
});

export const Unlock = z.object({
  url: z.url().meta({ description: "The page on which the owner answers, in a browser" }),
  expires_at: time,
});

export const KeepToken = z.strictObject({ seconds: z.int().min(1).max(86_400) });

/** Devices: computers that are signed in with the command line. A person approves and unlocks them in the browser. */
export const DEVICE_OPERATIONS = {
  listDevices: {
    method: "get",
    path: "/devices",
    summary: "List devices",
    may: PEOPLE,
    query: z.strictObject(pagesOf("dev")),
    answer: listOf(Device),
    status: 200,
  },
  getDevice: {
    method: "get",
    path: "/devices/{id}",
    summary: "Get a device",
    may: PEOPLE,
    answer: Device,
    status: 200,
  },
  changeDevice: {
    method: "patch",
    path: "/devices/{id}",
    summary: "Rename a device, show it no more secrets, or be asked before its calls",
    may: PEOPLE,
    body: DevicePatch,
    answer: Device,
    status: 200,
  },
  unlockDevice: {
    method: "post",
    path: "/devices/unlock",
    summary: "Ask, as a device, to be shown secrets: the owner answers in the browser",
    may: ["device"],
    answer: Unlock,
    status: 201,
  },
  keepToken: {
    method: "post",
    path: "/tokens/{id}/keep",
    summary: "Keep a token alive that this device minted for a command, while the command runs",
    may: ["device"],
    body: KeepToken,
    answer: Token,
    status: 200,
  },
  restoreDevice: {
    method: "post",
    path: "/devices/{id}/restore",
    summary: "Take back, within seven days, that an MCP client has revoked a device",
    may: ["session"],
    answer: Device,
    status: 200,
  },
  revokeDevice: {
    method: "delete",
    path: "/devices/{id}",
    summary: "Revoke a device and all that it minted, and cut what they have open",
    may: PEOPLE,
    answer: Receipt,
    status: 200,
  },
} as const satisfies Record<string, Operation>;
