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
  // Four decimal parts only: servers read `010.1`, `0x7f.1` and the like in different ways.
  const bare = text.replace(/^\[|\]$/g, "");
  if (!ipaddr.IPv6.isValid(bare) && !ipaddr.IPv4.isValidFourPartDecimal(bare)) return undefined;
  const address = ipaddr.parse(bare);
  return unmapped ? plain(address) : address;
}

function plain(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}
