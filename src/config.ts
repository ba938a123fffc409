/** One 256-bit key of the deployment. `weak` marks a leaked one: its signature alone proves nothing (SECURITY S12). */
export type RingKey = { id: string; bytes: Uint8Array; weak: boolean };

/** Keys of one purpose. New things use `current`; `known` ids outside `by_id` are keys that this instance still lacks. */
export type KeyRing = { current: RingKey; by_id: ReadonlyMap<string, RingKey>; known: ReadonlySet<string> };

/** Somebody whom we let people sign in with. GitHub speaks plain OAuth 2.0; the others are OpenID providers with an issuer. */
export type SignInProvider = { name: string; client_id: string; client_secret: string } & (
  | { id: "google" | "oidc"; issuer: URL }
  | { id: "github" }
);

/** The settings of a deployment, read once per isolate (CONTRACT §2). */
export type Config = {
  public_origin: string;
  proxy_origin: string;
  /** The whole thing runs on one machine: plain http, a cookie without `Secure`, a local identity provider. */
  local: boolean;
  root_keys: KeyRing;
  token_keys: KeyRing;
  allow_private_upstreams: boolean;
  /** `/v1/mcp` also serves what the conformance suite asks of a server; never in a deployment (SECURITY S29). */
  conformance_fixtures: boolean;
  /** The secret of whoever runs the deployment; without one nobody may ask what needs it. */
  operator_token: string | undefined;
  /** Whom to tell of a hole in this deployment, and by which rules (RFC 9116); without a contact it says nothing of it. */
  security: { contacts: readonly string[]; policy: string | undefined };
  /** How many keys a vault may hold, how many of them for hosts outside the catalog, and how many audit rows it may write a day. */
  limits: { keys: number; custom_keys: number; audit_rows_a_day: number };
  /** In the order in which they are offered. */
  sign_in: readonly SignInProvider[];
};

type Settings = Record<string, unknown>;

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Reads and checks the settings. A missing or malformed one throws an Error whose message is one sentence that names it;
 * `npm start` shows that sentence, a deployment logs it and answers 503.
 */
export function readConfig(env: Settings): Config {
  const public_origin = origin(env, "PUBLIC_ORIGIN");
  const proxy_origin = origin(env, "PROXY_ORIGIN");
  if (public_origin === proxy_origin) throw new Error("PROXY_ORIGIN must be another origin than PUBLIC_ORIGIN.");
  const local = LOOPBACK.has(new URL(public_origin).hostname);
  assertOrigins(public_origin, proxy_origin, local);
  const allow_private_upstreams = text(env, "ALLOW_PRIVATE_UPSTREAMS", "false") === "true";
  if (allow_private_upstreams && !local) {
    throw new Error("ALLOW_PRIVATE_UPSTREAMS may be true only where PUBLIC_ORIGIN is a loopback address.");
  }
  const conformance_fixtures = text(env, "MCP_CONFORMANCE_FIXTURES", "false") === "true";
  if (conformance_fixtures && !local) {
    throw new Error("MCP_CONFORMANCE_FIXTURES may be true only where PUBLIC_ORIGIN is a loopback address.");
  }
  return {
    public_origin,
    proxy_origin,
    local,
    root_keys: parseKeyRing("ROOT_KEYS", text(env, "ROOT_KEYS")),
    token_keys: parseKeyRing("TOKEN_KEYS", text(env, "TOKEN_KEYS"), text(env, "TOKEN_KEY_IDS", "")),
    allow_private_upstreams,
    conformance_fixtures,
    operator_token: operatorToken(env),
    security: {
      contacts: addresses(env, "SECURITY_CONTACT", ["https:", "mailto:", "tel:"]),
      policy: addresses(env, "SECURITY_POLICY", ["https:"])[0],
    },
    limits: {
      keys: count(env, "KEYS_LIMIT", 2_000),
      custom_keys: count(env, "CUSTOM_KEYS_LIMIT", 2_000),
      audit_rows_a_day: count(env, "AUDIT_ROWS_A_DAY", 1_000_000),
    },
    sign_in: signInProviders(env, local),
  };
}

/** Cookies know hosts and sites, not ports or origins: in a deployment the two must share neither (SECURITY S1, S29). */
function assertOrigins(public_origin: string, proxy_origin: string, local: boolean): void {
  const [page, proxy] = [new URL(public_origin), new URL(proxy_origin)];
  if (local !== LOOPBACK.has(proxy.hostname)) {
    throw new Error("PROXY_ORIGIN must be a loopback address exactly where PUBLIC_ORIGIN is one.");
  }
  if (local) return;
  if (page.protocol !== "https:") throw new Error("PUBLIC_ORIGIN must be https: unless it is a loopback address.");
  if (proxy.protocol !== "https:") throw new Error("PROXY_ORIGIN must be https: unless it is a loopback address.");
  if (siteOf(page.hostname) === siteOf(proxy.hostname)) {
    throw new Error("PROXY_ORIGIN must be on another registrable domain than PUBLIC_ORIGIN (other last two labels).");
  }
}

/**
 * The last two labels of a host. Coarser than the public suffix list, which is half the size of this Worker: two names under
 * one suffix such as co.uk count as one site here, which is refused rather than risked.
 */
function siteOf(hostname: string): string {
  return hostname.split(".").slice(-2).join(".");
}

const configs = new WeakMap<object, Config>();

/** The settings of this isolate's `env`. */
export function configOf(env: object): Config {
  let config = configs.get(env);
  if (config === undefined) configs.set(env, (config = readConfig(env as Settings)));
  return config;
}

function signInProviders(env: Settings, local: boolean): SignInProvider[] {
  const providers: SignInProvider[] = [];
  if (text(env, "GOOGLE_CLIENT_ID", "") !== "") {
    const client = { client_id: text(env, "GOOGLE_CLIENT_ID"), client_secret: text(env, "GOOGLE_CLIENT_SECRET") };
    providers.push({ id: "google", name: "Google", issuer: new URL("https://accounts.google.com"), ...client });
  }
  if (text(env, "GITHUB_CLIENT_ID", "") !== "") {
    const client = { client_id: text(env, "GITHUB_CLIENT_ID"), client_secret: text(env, "GITHUB_CLIENT_SECRET") };
    providers.push({ id: "github", name: "GitHub", ...client });
  }
  if (text(env, "OIDC_ISSUER", "") !== "") {
    const issuer = URL.parse(text(env, "OIDC_ISSUER"));
    if (issuer === null) throw new Error("OIDC_ISSUER must be a URL.");
    if (!local && (issuer.protocol !== "https:" || LOOPBACK.has(issuer.hostname))) {
      throw new Error("OIDC_ISSUER must be https: on a public host unless PUBLIC_ORIGIN is a loopback address.");
    }
    const client = { client_id: text(env, "OIDC_CLIENT_ID"), client_secret: text(env, "OIDC_CLIENT_SECRET") };
    providers.push({ id: "oidc", name: text(env, "OIDC_NAME", "") || issuer.hostname, issuer, ...client });
  }
  return providers;
}

function origin(env: Settings, name: string): string {
  const url = URL.parse(text(env, name));
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:") || url.origin !== text(env, name)) {
    throw new Error(`${name} must be an origin such as https://locker.example (no path, no trailing slash).`);
  }
  return url.origin;
}

function operatorToken(env: Settings): string | undefined {
  const token = text(env, "OPERATOR_TOKEN", "");
  if (token === "") return undefined;
  if (!/^[\x21-\x7e]{32,256}$/.test(token))
    throw new Error("OPERATOR_TOKEN must be 32 to 256 visible ASCII characters.");
  return token;
}

/** A comma list of URIs, as they will be told. */
function addresses(env: Settings, name: string, schemes: readonly string[]): string[] {
  const given = text(env, name, "").split(",");
  const uris = given.map((one) => one.trim()).filter((one) => one !== "");
  for (const uri of uris)
    if (!/^[\x21-\x7e]+$/.test(uri) || !schemes.includes(URL.parse(uri)?.protocol ?? ""))
      throw new Error(`${name} must be ${schemes.join(", ")} addresses, with commas between.`);
  return uris;
}

function count(env: Settings, name: string, fallback: number): number {
  const value = Number(text(env, name, String(fallback)));
  if (!Number.isInteger(value) || value < 1 || value > 100_000_000)
    throw new Error(`${name} must be a whole number from 1 on.`);
  return value;
}

function text(env: Settings, name: string, fallback?: string): string {
  const value = env[name];
  if (typeof value === "string" && value !== "") return value;
  if (fallback !== undefined) return fallback;
  throw new Error(`${name} is not set.`);
}

const ENTRY = /^([0-9A-Za-z]{2}):([A-Za-z0-9+/_-]{43}=?)(:weak)?$/;

/**
 * Reads `id:base64[:weak],…` (first is current; ids of two base62 characters, keys of 32 bytes).
 * `also_known` is a comma list of ids that exist in the deployment although this secret may not hold them yet.
 */
export function parseKeyRing(name: string, text: string, also_known = ""): KeyRing {
  const by_id = new Map<string, RingKey>();
  for (const entry of text.split(",")) {
    const [, id, key, weak] = ENTRY.exec(entry.trim()) ?? [];
    if (id === undefined || key === undefined) {
      throw new Error(`${name} must be a comma list of id:base64 with two-character ids and 32-byte keys.`);
    }
    if (by_id.has(id)) throw new Error(`${name} names the key ${id} twice.`);
    by_id.set(id, { id, bytes: new Uint8Array(Buffer.from(key, "base64")), weak: weak !== undefined });
  }
  const [current] = by_id.values();
  if (current === undefined || current.weak) throw new Error(`${name} must begin with a key that is not weak.`);
  const known = new Set([
    ...by_id.keys(),
    ...also_known
      .split(",")
      .map((id) => id.trim())
      .filter(Boolean),
  ]);
  return { current, by_id, known };
}
