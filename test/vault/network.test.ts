import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isWithin,
  liesWithin,
  networkOf,
  networkText,
  readNetwork,
  type Network,
} from "../../src/vault/policy/network.ts";

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
    ["::192.0.2.77", "::c000:24d/128"],
    ["64:ff9b::192.0.2.77", "64:ff9b::c000:24d/128"],
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
    "::ffff:010.0.0.1",
    "::ffff:0x7f.0.0.1/104",
    "::1.2.3",
    "fe80::1%eth0/64",
    "0x7f.1",
    "1",
    "::/129",
    "host",
    "::1/64/64",
    "192.0.2.1 ",
    "192.0.[2.1",
    "192.0]2.1",
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
    ["0.0.0.0/0", "::192.0.2.1", false],
    ["192.0.2.0/24", "::ffff:192.0.2.010", false],
    ["fe80::/10", "fe80::1%1", false],
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

it("an address is in a list of ranges where it is in one of them, whichever", () => {
  const list = ["198.51.100.0/24", "192.0.2.0/24", "2001:db8::/32"].map(range);
  expect(["198.51.100.1", "192.0.2.1", "2001:db8::1"].map((ip) => isWithin(list, ip))).toEqual([true, true, true]);
  expect(isWithin(list, "203.0.113.1")).toBe(false);
  expect(isWithin([], "192.0.2.1")).toBe(false);
});

describe("the network that an address belongs to", () => {
  it.each([
    ["192.0.2.77", "192.0.2.0/24"],
    ["::ffff:192.0.2.77", "192.0.2.0/24"],
    ["2001:db8:1:2:3::4", "2001:db8:1::/48"],
    ["[2001:DB8:1:ffff::]", "2001:db8:1::/48"],
    // What is none stands for itself: two of them are the same place only where they are the same text.
    ["unknown", "unknown"],
    ["192.0.2", "192.0.2"],
    ["", ""],
  ])("%s: %s", (ip, network) => {
    expect(networkOf(ip)).toBe(network);
  });
});

describe("one range and another", () => {
  it.each([
    ["192.0.2.0/25", "192.0.2.0/24", true],
    ["192.0.2.0/24", "192.0.2.0/24", true],
    ["192.0.2.0/24", "192.0.2.0/25", false],
    ["192.0.3.0/25", "192.0.2.0/24", false],
    ["192.0.2.0/24", "::/0", false],
    ["::/0", "0.0.0.0/0", false],
    ["::ffff:192.0.2.0/120", "192.0.0.0/16", true],
    ["2001:db8:1::/48", "2001:db8::/32", true],
  ])("%s lies in %s: %s", (inner, outer, lies) => {
    expect(liesWithin(range(inner), range(outer))).toBe(lies);
  });
});

describe("any range and any address", () => {
  const v4 = fc.tuple(fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }), fc.nat(32));
  const v6 = fc.tuple(fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), fc.nat(128));
  const text4 = (bytes: number[]) => bytes.join(".");
  const text6 = (words: number[]) => words.map((word) => word.toString(16)).join(":");
  const bits4 = (bytes: number[]) => bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const bits6 = (words: number[]) => words.map((word) => word.toString(2).padStart(16, "0")).join("");

  it("an IPv4 address is in a range exactly where the bits that count are the same, in both of its spellings", () => {
    fc.assert(
      fc.property(v4, v4, fc.nat(32), ([start, bits], [other], shared) => {
        // Near the edge, where a mistake would show.
        const mixed = bits4(start).slice(0, shared) + bits4(other).slice(shared);
        const bytes = [0, 8, 16, 24].map((at) => Number.parseInt(mixed.slice(at, at + 8), 2));
        const inside = mixed.slice(0, bits) === bits4(start).slice(0, bits);
        const network = range(`${text4(start)}/${bits}`);
        expect(isWithin([network], text4(bytes))).toBe(inside);
        expect(isWithin([network], `::ffff:${text4(bytes)}`)).toBe(inside);
        expect(isWithin([range(`::ffff:${text4(start)}/${bits + 96}`)], text4(bytes))).toBe(inside);
        expect(liesWithin(range(`${text4(bytes)}/32`), network)).toBe(inside);
      }),
    );
  });

  it("an IPv6 address too", () => {
    fc.assert(
      fc.property(v6, v6, fc.nat(128), ([start, bits], [other], shared) => {
        const mixed = bits6(start).slice(0, shared) + bits6(other).slice(shared);
        const words = Array.from({ length: 8 }, (_, n) => Number.parseInt(mixed.slice(n * 16, n * 16 + 16), 2));
        fc.pre(!text6(start).startsWith("0:0:0:0:0:ffff") && !text6(words).startsWith("0:0:0:0:0:ffff"));
        const inside = mixed.slice(0, bits) === bits6(start).slice(0, bits);
        expect(isWithin([range(`${text6(start)}/${bits}`)], text6(words))).toBe(inside);
        expect(isWithin([range(`${text6(start)}/${bits}`)], `[${text6(words)}]`)).toBe(inside);
      }),
    );
  });

  it("one range lies in another exactly where each address of it does, and its one spelling means the same", () => {
    fc.assert(
      fc.property(v4, v4, fc.nat(32), ([a, a_bits], [b, b_bits], shared) => {
        const mixed = bits4(a).slice(0, shared) + bits4(b).slice(shared);
        const start = [0, 8, 16, 24].map((at) => Number.parseInt(mixed.slice(at, at + 8), 2));
        const [inner, outer] = [range(`${text4(start)}/${b_bits}`), range(`${text4(a)}/${a_bits}`)];
        const lies = b_bits >= a_bits && mixed.slice(0, a_bits) === bits4(a).slice(0, a_bits);
        expect(liesWithin(inner, outer)).toBe(lies);
        expect(liesWithin(range(networkText(inner)), range(networkText(outer)))).toBe(lies);
        expect(liesWithin(range(networkText(inner)), inner) && liesWithin(inner, range(networkText(inner)))).toBe(true);
      }),
    );
  });

  it("no text at all makes a range of what is none, or throws", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, ip) => {
        const network = readNetwork(text);
        if (network === undefined) return;
        expect(readNetwork(networkText(network))).toBeDefined();
        expect(typeof isWithin([network], ip)).toBe("boolean");
        expect(typeof networkOf(ip)).toBe("string");
      }),
    );
  });
});
