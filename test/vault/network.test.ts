import { describe, expect, it } from "vitest";
import { isWithin, networkText, readNetwork, type Network } from "../../src/vault/policy/network.ts";

const range = (text: string) => readNetwork(text) as Network;

describe("a range of addresses", () => {
  it.each([
    ["192.0.2.77/24", "192.0.2.0/24"],
    ["192.0.2.77", "192.0.2.77/32"],
    ["10.255.255.255/9", "10.128.0.0/9"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:DB8:0:0::1/32", "2001:db8::/32"],
    ["2001:db8::1", "2001:db8::1/128"],
    ["::/0", "::/0"],
    ["::ffff:192.0.2.77", "192.0.2.77/32"],
    ["::ffff:192.0.2.77/120", "192.0.2.0/24"],
    ["::ffff:0:0/96", "0.0.0.0/0"],
    ["::ffff:0:0/90", "::ffc0:0:0/90"],
  ])("%s is kept as %s", (written, kept) => {
    expect(networkText(range(written))).toBe(kept);
    expect(networkText(range(kept))).toBe(kept);
  });

  it.each([
    "",
    "/24",
    "192.0.2.0/",
    "192.0.2.0/33",
    "192.0.2.0/-1",
    "192.0.2.0/08",
    "192.0.2/24",
    "010.0.0.1",
    "0x7f.1",
    "1",
    "::/129",
    "host",
    "::1/64/64",
    "192.0.2.1 ",
  ])("%j is none", (written) => {
    expect(readNetwork(written)).toBeUndefined();
  });

  it.each([
    ["192.0.2.0/24", "192.0.2.255", true],
    ["192.0.2.0/24", "::ffff:192.0.2.255", true],
    ["192.0.2.0/24", "::ffff:c000:2ff", true],
    ["192.0.2.0/24", "192.0.3.0", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "203.0.113.9", false],
    ["2001:db8::/32", "2001:db8:ffff::1", true],
    ["2001:db8::/32", "2001:db9::1", false],
    ["2001:db8::1/128", "2001:0db8:0:0:0:0:0:1", true],
    ["0.0.0.0/0", "", false],
    ["0.0.0.0/0", "unknown", false],
  ])("%s and %s: %s", (written, ip, within) => {
    expect(isWithin([range(written)], ip)).toBe(within);
  });
});
