import ipaddr from "ipaddr.js";

/** A range of addresses, read once. */
export type Network = readonly [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

const MAPPED_BITS = 96;

/**
 * A range as its owner writes it: CIDR, or one address. IPv4 in IPv6's clothing (`::ffff:192.0.2.0/120`) is read as the IPv4
 * that it means, as are the addresses that are looked for in it. Undefined for what is no range.
 */
export function readNetwork(text: string): Network | undefined {
  const [head = "", tail, more] = text.split("/");
  const address = readAddress(head, false);
  if (address === undefined || more !== undefined) return undefined;
  const longest = address.kind() === "ipv4" ? 32 : 128;
  if (tail === undefined) return [plain(address), plain(address).kind() === "ipv4" ? 32 : 128];
  if (!/^(0|[1-9]\d{0,2})$/.test(tail) || Number(tail) > longest) return undefined;
  const bits = Number(tail);
  const mapped = plain(address) !== address;
  // A range that begins in the mapped block and reaches beyond it is no IPv4 range: it stays as it was written.
  return mapped && bits >= MAPPED_BITS ? [plain(address), bits - MAPPED_BITS] : [address, bits];
}

/** The range in its one spelling: the first address and the bits that count. */
export function networkText([address, bits]: Network): string {
  const bytes = address.toByteArray().map((byte, index) => {
    const spare = Math.min(8, Math.max(0, (index + 1) * 8 - bits));
    return (byte >> spare) << spare;
  });
  return `${ipaddr.fromByteArray(bytes).toString()}/${bits}`;
}

/** The network that an address belongs to, as providers hand them out: /24 for IPv4, /48 for IPv6. */
export function networkOf(ip: string): string {
  const address = readAddress(ip, true);
  return address === undefined ? ip : networkText([address, address.kind() === "ipv4" ? 24 : 48]);
}

/** Whom a limit on one address is for: of IPv6 a /56, since whoever has one address of it has as many as they like (RFC 6177). */
export function limitedAs(ip: string): string {
  const address = ip.includes(":") ? readAddress(ip, true) : undefined;
  return address === undefined ? ip : networkText([address, address.kind() === "ipv4" ? 32 : 56]);
}

/** Is the address, as the platform tells it, in one of the ranges? What is no address is in none. */
export function isWithin(networks: readonly Network[], ip: string): boolean {
  const address = readAddress(ip, true);
  return address !== undefined && networks.some((network) => matches(address, network));
}

/** Does one range lie in another? */
export function liesWithin(inner: Network, outer: Network): boolean {
  return inner[1] >= outer[1] && matches(inner[0], outer);
}

function matches(address: ipaddr.IPv4 | ipaddr.IPv6, [start, bits]: Network): boolean {
  return address.kind() === start.kind() && address.match(start, bits);
}

function readAddress(text: string, unmapped: boolean): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // Four decimal parts only, at the end of an IPv6 address too: servers read `010.1`, `0x7f.1` and the like in different ways. And
  // no zone (`%eth0`): that is one machine's name for something, and no part of an address.
  const bare = text.replace(/^\[|\]$/g, "");
  const [dotted] = /[^:]*\.[^:]*$/.exec(bare) ?? [];
  if (dotted !== undefined && !ipaddr.IPv4.isValidFourPartDecimal(dotted)) return undefined;
  if (dotted !== bare && (!ipaddr.IPv6.isValid(bare) || bare.includes("%"))) return undefined;
  // The library takes `::192.0.2.1` for IPv4, and `::c000:201`, which is the same address, for what it is.
  const address = ipaddr.parse(
    dotted === undefined || dotted === bare ? bare : bare.slice(0, -dotted.length) + words(dotted),
  );
  return unmapped ? plain(address) : address;
}

/** The dotted end of an IPv6 address as its last two words. */
function words(dotted: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipaddr.IPv4.parse(dotted).octets;
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

function plain(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}
