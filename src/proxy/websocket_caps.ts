const MESSAGE_BYTES = 1024 * 1024;
const BYTES_A_SECOND = 8 * 1024 * 1024;
const BYTES_A_MINUTE = 64 * 1024 * 1024;

/** What one direction of a WebSocket may carry (CONTRACT §4): asked with every message, true while it is within the caps. */
export function websocketCaps(): (size: number, now: number) => boolean {
  const second = meter(1_000, BYTES_A_SECOND);
  const minute = meter(60_000, BYTES_A_MINUTE);
  return (size, now) => size <= MESSAGE_BYTES && second(size, now) && minute(size, now);
}

/** True while at most `limit` bytes were counted within a window of `span_ms`. */
function meter(span_ms: number, limit: number): (size: number, now: number) => boolean {
  let since = 0;
  let sum = 0;
  return (size, now) => {
    if (now - since >= span_ms) {
      since = now;
      sum = 0;
    }
    sum += size;
    return sum <= limit;
  };
}
