import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { isWithin, liesWithin, networkOf, networkText, readNetwork } from "../../../src/vault/policy/network.ts";
import type { Target } from "../fuzz.ts";

/** An address as a number of so many bits, as Node and its URL parser read it; IPv4 in IPv6's clothing is IPv4. */
function numbered(text: string): { value: bigint; bits: 32 | 128 } | undefined {
  if (isIPv4(text)) return { value: text.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n), bits: 32 };
  const bare = text.replace(/^\[|\]$/g, "");
  if (!isIPv6(bare) || bare.includes("%")) return isIPv4(bare) ? numbered(bare) : undefined;
  const whole = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const [head = "", tail] = whole.split("::");
  const words = (part: string | undefined) => (part ? part.split(":") : []);
  const zeros = Array.from({ length: 8 - words(head).length - words(tail).length }, () => "0");
  const all = tail === undefined ? words(head) : [...words(head), ...zeros, ...words(tail)];
  const value = all.reduce((sum, word) => sum * 65_536n + BigInt(`0x${word}`), 0n);
  return value >> 32n === 0xffffn ? { value: value & 0xffff_ffffn, bits: 32 } : { value, bits: 128 };
}

/** What is a range is one, means what its bits say, and is told in one spelling that means the same. */
export const target: Target = {
  seeds: [
    ["::ffff:192.0.2.0/120", "0.0.0.0/0", "::ffff:192.00.2.1"],
    ["", "0.0.0.0/0", "::2.0.2.1"],
    ["", "0.0.0.0", "::ffff:0:0%1"],
    ["192.0.2.0/24", "192.0.0.0/16", "192.0.2.77"],
    ["2001:db8::/32", "::/0", "2001:0db8:0:0:0:0:0:1"],
    ["::ffff:192.0.2.0/120", "0.0.0.0/0", "::ffff:192.0.2.1"],
    ["[2001:DB8::1]", "10.0.0.1", "[::1]"],
    ["010.0.0.1", "1.2.3", "0x7f.1"],
    ["fe80::1%eth0/64", "1.2.3.4/33", "::ffff:0:1.2.3.4"],
  ],
  words: ["::", "::ffff:", "/0", "/32", "/96", "/128", "255", ".0", "0x", "[", "]", "%1"],
  run([outer = "", inner = "", ip = ""]) {
    const [one, other] = [readNetwork(outer), readNetwork(inner)];
    const where = numbered(ip);
    assert.match(networkOf(ip), /^/);
    for (const [text, network] of [
      [outer, one],
      [inner, other],
    ] as const) {
      if (network === undefined) {
        // Bare, of an ordinary spelling, with bits that fit: such a one is a range.
        const [head = "", bits = "0", more] = text.split("/");
        const ordinary =
          (isIPv4(head) && Number(bits) <= 32) || (isIPv6(head) && !head.includes("%") && Number(bits) <= 128);
        assert.ok(!ordinary || more !== undefined || !/^(0|[1-9]\d{0,2})$/.test(bits), text);
        continue;
      }
      const told = networkText(network);
      const again = readNetwork(told);
      assert.ok(again !== undefined, told);
      assert.equal(networkText(again), told);
      assert.ok(liesWithin(again, network) && liesWithin(network, again));
      const within = isWithin([network], ip);
      assert.equal(isWithin([again], ip), within);
      assert.equal(within && where === undefined, false, ip);
      const [start, bits] = [numbered(told.split("/")[0] as string), BigInt(network[1])];
      if (where === undefined || start === undefined) continue;
      const kind = network[0].kind() === "ipv4" ? 32 : 128;
      const shift = BigInt(kind) - bits;
      const value = kind === 128 && start.bits === 32 ? start.value | (0xffffn << 32n) : start.value;
      assert.equal(within, where.bits === kind && where.value >> shift === value >> shift, `${ip} in ${text}`);
    }
    if (one !== undefined && other !== undefined && liesWithin(other, one) && isWithin([other], ip))
      assert.ok(isWithin([one], ip));
  },
};
