import { expect, test } from "vitest";
import { websocketCaps } from "../../src/proxy/websocket_caps.ts";

const MIB = 1024 * 1024;

/** How many mebibytes pass, one every `every_ms`, before one does not. */
function passing(every_ms: number, most: number): number {
  const isWithin = websocketCaps();
  for (let sent = 0; sent < most; sent++) if (!isWithin(MIB, 1_000_000 + sent * every_ms)) return sent;
  return most;
}

test("one direction of a WebSocket carries a mebibyte a message, eight a second and sixty-four a minute, and not a byte more", () => {
  expect(websocketCaps()(MIB, 1)).toBe(true);
  expect(websocketCaps()(MIB + 1, 1)).toBe(false);
  expect(passing(1, 1_000)).toBe(8);
  // Within the second's cap all the time: the minute's is what ends it.
  expect(passing(200, 1_000)).toBe(64);
  // And what keeps within both goes on for ever.
  expect(passing(60_000 / 64 + 1, 10_000)).toBe(10_000);
});
