import ipaddr from "ipaddr.js";

/** Where we are served ourselves. */
export type Ours = { proxy_origin: string; public_origin: string };

/** Does the URL name one of our own hosts, on any scheme? A trailing dot is the same host to a resolver. */
export function isOurs({ proxy_origin, public_origin }: Ours, { hostname, port }: URL): boolean {
  const host = hostname.replace(/\.$/, "") + (port === "" ? "" : `:${port}`);
  return [proxy_origin, public_origin].some((origin) => origin.slice(origin.indexOf("//") + 2) === host);
}

/** Names that lead nowhere in public; many resolve inside somebody's network. */
const NOT_PUBLIC =
  /(^|\.)(localhost|localdomain|local|internal|intranet|private|lan|home|corp|svc|cluster|test|invalid|example|onion|arpa)$/i;
/** Public names that are known to resolve to the asker's own machine. */
const LOOPBACK_NAMES = /(^|\.)(localtest\.me|lvh\.me|vcap\.me|lacolhost\.com|readme\.localtest\.me|localho\.st)$/i;
/** An address written into a name, as nip.io and its like resolve it: with dots, with dashes, or as eight hex digits. */
const WRITTEN_ADDRESS = /(?:^|[.-])(\d{1,3}[.-]\d{1,3}[.-]\d{1,3}[.-]\d{1,3})(?=[.-])/g;
const WRITTEN_HEX = /(?:^|[.-])([0-9a-f]{8})(?=\.)/gi;

/** A name with a dot in the public tree, or a unicast address; the URL parser has already folded other spellings. */
export function isPublicHost(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (ipaddr.isValid(bare)) return ipaddr.process(bare).range() === "unicast" && !bare.startsWith("::");
  if (!/^[\w.-]+$/.test(bare) || !bare.includes(".") || bare.split(".").includes("")) return false;
  return !NOT_PUBLIC.test(bare) && !LOOPBACK_NAMES.test(bare) && !namesPrivateAddress(bare);
}

function namesPrivateAddress(name: string): boolean {
  const written = Array.from(name.matchAll(WRITTEN_ADDRESS), ([, text = ""]) => text.replaceAll("-", "."));
  const hex = /\.(nip|sslip|xip)\.io$/i.test(name)
    ? Array.from(name.matchAll(WRITTEN_HEX), ([, text = ""]) =>
        (text.match(/../g) ?? []).map((byte) => parseInt(byte, 16)).join("."),
      )
    : [];
  return [...written, ...hex].some(
    (address) => ipaddr.IPv4.isValidFourPartDecimal(address) && ipaddr.parse(address).range() !== "unicast",
  );
}

/** May a message be sent there? Public https only, and never one of our own hosts (SECURITY S26). */
export function mayBeTold(config: Ours & { allow_private_upstreams: boolean }, url: URL): boolean {
  if (isOurs(config, url)) return false;
  if (config.allow_private_upstreams) return url.protocol === "https:" || url.protocol === "http:";
  return url.protocol === "https:" && isPublicHost(url.hostname);
}
