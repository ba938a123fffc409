/** Milliseconds on the machine's one monotonic clock: what another process stamped can be compared. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
