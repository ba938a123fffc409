import { usage } from "./failure.ts";

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** `90s`, `15m`, `12h`, `30d`, `2w` in seconds. */
export function secondsIn(text: string): number | undefined {
  const [, number, unit = ""] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (UNITS[unit] ?? 1);
}

/** A time to come, as people say it: how long from now, or a date. */
export function moment(text: string): string {
  return timeIn(text, 1, "Say 12h, 30d, 2027-01-31 or 2027-01-31T12:00:00Z.");
}

/** A time that was: how long ago, or a date. */
export function past(text: string): string {
  return timeIn(text, -1, "Say 2h, 7d, 2026-01-31 or 2026-01-31T12:00:00Z.");
}

function timeIn(text: string, direction: 1 | -1, hint: string): string {
  const seconds = secondsIn(text);
  const at = seconds === undefined ? Date.parse(text) : Date.now() + direction * seconds * 1_000;
  if (Number.isNaN(at)) throw usage(`${JSON.stringify(text)} is no time.`, hint);
  return new Date(at).toISOString();
}
