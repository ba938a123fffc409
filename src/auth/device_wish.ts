import { Problem } from "../problem.ts";
import { REVEAL_CHOICES, type RevealChoice } from "../vault/tokens/devices.ts";
import { askIn } from "./ask_choice.ts";
import type { Policy } from "../vault/policy/policy.ts";

/** What a device says of itself. */
export type DeviceNames = { name: string; platform: string };

/** What a person chose on a page that lets a device in. */
export type DeviceWish = DeviceNames & { policy: Policy; reveal: RevealChoice };

/** All values of a form's field. */
type Fields = (name: string) => string[];

export const NAME_LENGTH = 100;
const PLATFORM_LENGTH = 60;
export const CALLS_A_MINUTE = 60;
export const MOST_A_MINUTE = 60_000;

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
    policy: {
      ...(fields("reach")[0] === "all" ? {} : { keys: fields("key") }),
      ...rateIn(fields),
      ask: askIn(fields("ask")[0]) ?? undefined,
    },
    reveal: revealIn(fields),
  };
}

/** How often it may call: sixty times a minute unless the person says otherwise; nothing in the field means no limit. */
function rateIn(fields: Fields): Pick<Policy, "rate"> {
  const given = fields("per_minute")[0] ?? String(CALLS_A_MINUTE);
  // Said, not left out: whoever leaves it out gets the usual limit.
  if (given === "") return { rate: undefined };
  const per_minute = Number(given);
  if (!Number.isInteger(per_minute) || per_minute < 1 || per_minute > MOST_A_MINUTE)
    throw new Problem("invalid_request", `per_minute must be a whole number from 1 to ${MOST_A_MINUTE}.`);
  return { rate: { per_minute } };
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
