import { describe, expect, it } from "vitest";
import { examine, type Examined } from "../../src/vault/account/doctor.ts";

const DAY_MS = 86_400_000;
const NOW = 1_000 * DAY_MS;

type Key = Examined["keys"][number];
type Token = Examined["tokens"][number];
type Device = Examined["devices"][number];
type Grant = Examined["grants"][number];
type Webhook = Examined["webhooks"][number];

const key = (more: Partial<Key> = {}): Key => ({
  id: "key_1",
  name: "k",
  version: 1,
  overlap_version: null,
  overlap_until: null,
  destination: {
    provider: "custom",
    origin: "https://a.example.com",
    base_path: "",
    placement: { in: "bearer" },
    headers: {},
  },
  sealed_destination: "",
  tags: [],
  note: null,
  scrub: false,
  revealable: false,
  created_at: NOW,
  updated_at: NOW,
  version_created_at: NOW,
  expires_at: null,
  paused_at: null,
  uses: 0,
  last_used_at: NOW,
  connection: null,
  ...more,
});
const token = (more: Partial<Token> = {}): Token => ({
  id: "tok_1",
  kind: "app",
  hash: "h",
  parent_id: null,
  name: "t",
  policy: { keys: ["key_1"] },
  created_at: NOW,
  signed_in_at: null,
  expires_at: null,
  seen_at: NOW,
  paused_at: null,
  revoked_at: null,
  frozen: null,
  uses: 0,
  refused: 0,
  last_used_at: NOW,
  ...more,
});
const device = (more: Partial<Device> = {}): Device => ({
  ...token(),
  id: "dev_1",
  kind: "dev",
  name: "laptop",
  platform: "linux",
  reveal_until: null,
  asked_at: null,
  asked_ip: null,
  asked_country: null,
  ...more,
});
const grant = (more: Partial<Grant> = {}): Grant => ({
  id: "grt_1",
  client_id: "c",
  client: { registration: "registered", name: "Agent", homepage: null, logo: null, redirect_uris: [] },
  scopes: ["vault:read", "vault:proxy"],
  keys: ["key_1"],
  ask: null,
  created_at: NOW,
  expires_at: null,
  last_used_at: NOW,
  uses: 0,
  refused: 0,
  paused_at: null,
  revoked_at: null,
  ...more,
});
const webhook = (more: Partial<Webhook> = {}): Webhook => ({
  id: "whk_1",
  url: "https://a.example.com/",
  events: null,
  created_at: NOW,
  failing_since: null,
  failures: 0,
  dead_at: null,
  last_at: null,
  last_status: null,
  waiting: 0,
  ...more,
});
const rotation = { refresh_by: NOW } as unknown as Token["rotation"];
const examined = (found: Partial<Examined>) =>
  examine({ keys: [key()], tokens: [], devices: [], grants: [], webhooks: [], frozen: null, now: NOW, ...found });
const codes = (keys: Key[], tokens: Token[], devices: Device[] = []) =>
  examined({ keys, tokens, devices }).map(({ code }) => code);
const OAUTH = { ...key().destination, placement: { in: "oauth" } as Key["destination"]["placement"] };

describe("the doctor", () => {
  it("finds nothing wrong with a vault that is in order", () => {
    const devices = [device({ reveal_until: NOW + 8 * 3_600_000 })];
    const keys = [key(), key({ id: "key_2", destination: OAUTH, connection: "connected" })];
    expect(examined({ keys, tokens: [token()], devices, grants: [grant()], webhooks: [webhook()] })).toEqual([]);
  });

  it("lets what was made for an hour end in peace", () => {
    expect(codes([key()], [token({ expires_at: NOW + 3_600_000 })])).toEqual([]);
  });

  it.each([
    ["key_expired", { expires_at: NOW }],
    ["key_expiring", { expires_at: NOW + 13 * DAY_MS }],
    ["key_stale", { version_created_at: NOW - 91 * DAY_MS }],
    ["key_unused", { created_at: NOW - 200 * DAY_MS, last_used_at: NOW - 91 * DAY_MS }],
    ["key_paused", { paused_at: NOW - 31 * DAY_MS }],
    ["key_not_connected", { destination: OAUTH }],
    ["key_lost", { destination: OAUTH, connection: "reconnect_required" as const }],
  ])("says %s", (code, more) => {
    expect(codes([key(more)], [])).toEqual([code]);
  });

  it.each([
    ["token_reaches_nothing", { policy: { keys: ["key_gone"] } }],
    ["token_reaches_all", { policy: {} }],
    ["token_expiring", { created_at: NOW - 30 * DAY_MS, expires_at: NOW + DAY_MS }],
    ["token_lapsed", { rotation }],
    ["token_unused", { created_at: NOW - 60 * DAY_MS, last_used_at: null }],
    ["token_paused", { paused_at: NOW - 31 * DAY_MS }],
  ])("says %s", (code, more) => {
    expect(codes([key()], [token(more)])).toEqual([code]);
  });

  it.each([
    ["device_unused", { seen_at: NOW - 31 * DAY_MS }],
    ["device_reveals", { reveal_until: NOW + 300 * DAY_MS }],
  ])("says %s", (code, more) => {
    expect(codes([key()], [token()], [device(more)])).toEqual([code]);
    expect(codes([key()], [token()], [device({ ...more, revoked_at: NOW })])).toEqual([]);
  });

  it.each([
    ["client_reveals", { scopes: ["vault:read" as const, "vault:reveal" as const] }],
    ["client_reaches_all", { keys: null }],
    ["client_unused", { created_at: NOW - 60 * DAY_MS, last_used_at: NOW - 31 * DAY_MS }],
    ["client_paused", { paused_at: NOW - 31 * DAY_MS }],
  ])("says %s", (code, more) => {
    expect(examined({ grants: [grant(more)] })).toMatchObject([{ code, subject: "grt_1", severity: "notice" }]);
  });

  it("minds no client that reaches every key and may call with none", () => {
    expect(examined({ grants: [grant({ keys: null, scopes: ["vault:write"] })] })).toEqual([]);
  });

  it("says webhook_dead", () => {
    const found = examined({ webhooks: [webhook({ dead_at: NOW })] });
    expect(found).toMatchObject([{ code: "webhook_dead", subject: "whk_1", severity: "warning" }]);
  });

  it("leaves the dead in peace, and names the worst first", () => {
    expect(codes([key()], [token({ policy: {}, revoked_at: NOW }), token({ policy: {}, expires_at: NOW })])).toEqual(
      [],
    );
    expect(codes([key({ paused_at: 0, expires_at: NOW })], [])).toEqual(["key_expired", "key_paused"]);
  });
});
