/** How far the locker's clock is ahead of this computer's. */
let ahead_ms = 0;

/** What an answer needs on its way, and what `Date` leaves out, is no difference between clocks. */
const NOTICED_MS = 5_000;

/** Takes the locker's time from an answer that tells it. */
export function setClock(date: string | null): void {
  if (date === null) return;
  const difference_ms = Date.parse(date) - Date.now();
  ahead_ms = Math.abs(difference_ms) > NOTICED_MS ? difference_ms : 0;
}

/** The locker's time: a computer whose clock is wrong would hold every sign-in for an old one, and new tokens for expired. */
export function now(): number {
  return Date.now() + ahead_ms;
}
