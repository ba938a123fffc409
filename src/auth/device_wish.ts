import { Problem } from "../problem.ts";
import { REVEAL_CHOICES, type RevealChoice } from "../vault/devices.ts";
import type { Policy } from "../vault/policy.ts";

/** What a device says of itself. */
export type DeviceNames = { name: string; platform: string };

/** What a person chose on a page that lets a device in. */
export type DeviceWish = DeviceNames & { policy: Policy; reveal: RevealChoice };

/** All values of a form's field. */
type Fields = (name: string) => string[];

export const NAME_LENGTH = 100;
const PLATFORM_LENGTH = 60;

/** Names come from whoever asks: no control characters, nothing that turns the text around it, and not long. */
export function deviceNames(fields: Fields): DeviceNames {
  return {
    name: plain(fields("device_name")[0] ?? "", NAME_LENGTH) || "unnamed device",
    platform: plain(fields("device_platform")[0] ?? "", PLATFORM_LENGTH) || "unknown",
  };
}

/** The choices on the page; a name of the person's own wins over what the device said. */
export function wishIn(fields: Fields, asks: DeviceNames): DeviceWish {
  return {
    name: plain(fields("name")[0] ?? "", NAME_LENGTH) || asks.name,
    platform: asks.platform,
    policy: fields("reach")[0] === "all" ? {} : { keys: fields("key") },
    reveal: revealIn(fields),
  };
}

export function revealIn(fields: Fields): RevealChoice {
  const given = fields("reveal")[0] ?? "none";
  const found = REVEAL_CHOICES.find((choice) => choice === given);
  if (found === undefined) throw new Problem("invalid_request", `reveal must be one of ${REVEAL_CHOICES.join(", ")}.`);
  return found;
}

function plain(given: string, longest: number): string {
  return given
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "")
    .trim()
    .slice(0, longest);
}
