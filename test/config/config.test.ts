import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import { securityTxt } from "../../src/pages/security_txt.ts";

const KEY = "A".repeat(43);
const GOOD = {
  PUBLIC_ORIGIN: "https://locker.example",
  PROXY_ORIGIN: "https://proxy.example",
  ROOT_KEYS: `r1:${KEY}=`,
  TOKEN_KEYS: `t1:${KEY}`,
};

describe("a missing or malformed setting stops the start with one sentence that names it", () => {
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ["no PUBLIC_ORIGIN", { PUBLIC_ORIGIN: "" }, /^PUBLIC_ORIGIN is not set\.$/],
    ["no PROXY_ORIGIN", { PROXY_ORIGIN: undefined }, /^PROXY_ORIGIN is not set\.$/],
    ["an origin with a path", { PUBLIC_ORIGIN: "https://locker.example/app" }, /^PUBLIC_ORIGIN must be an origin/],
    ["an origin with a trailing slash", { PROXY_ORIGIN: "https://proxy.example/" }, /^PROXY_ORIGIN must be an origin/],
    ["one origin for both", { PROXY_ORIGIN: "https://locker.example" }, /^PROXY_ORIGIN must be another origin/],
    ["plain http in public", { PUBLIC_ORIGIN: "http://locker.example" }, /^PUBLIC_ORIGIN must be https:/],
    ["plain http for the proxy", { PROXY_ORIGIN: "http://proxy.example" }, /^PROXY_ORIGIN must be https:/],
    [
      "a sibling host for the proxy",
      { PROXY_ORIGIN: "https://proxy.locker.example" },
      /^PROXY_ORIGIN must be on another registrable/,
    ],
    [
      "the same host on another port",
      { PROXY_ORIGIN: "https://locker.example:8443" },
      /^PROXY_ORIGIN must be on another registrable/,
    ],
    [
      "a public proxy for a local page",
      { PUBLIC_ORIGIN: "http://localhost:1" },
      /^PROXY_ORIGIN must be a loopback address exactly/,
    ],
    [
      "a local proxy for a public page",
      { PROXY_ORIGIN: "http://localhost:1" },
      /^PROXY_ORIGIN must be a loopback address exactly/,
    ],
    [
      "a contact that is no address",
      { SECURITY_CONTACT: "ada" },
      /^SECURITY_CONTACT must be https:, mailto:, tel: addresses/,
    ],
    ["a contact over plain http", { SECURITY_CONTACT: "http://a.example" }, /^SECURITY_CONTACT must be/],
    [
      "a policy that is no page",
      { SECURITY_POLICY: "mailto:a@b.example" },
      /^SECURITY_POLICY must be https: addresses/,
    ],
    ["a limit that is no number", { KEYS_LIMIT: "many" }, /^KEYS_LIMIT must be a whole number from 1 on\.$/],
    ["no ROOT_KEYS", { ROOT_KEYS: undefined }, /^ROOT_KEYS is not set\.$/],
    ["a short root key", { ROOT_KEYS: "r1:AAAA" }, /^ROOT_KEYS must be a comma list/],
    ["a key id of one character", { TOKEN_KEYS: `t:${KEY}` }, /^TOKEN_KEYS must be a comma list/],
    ["one key id twice", { TOKEN_KEYS: `t1:${KEY},t1:${KEY}` }, /^TOKEN_KEYS names the key t1 twice\.$/],
    ["a weak current key", { TOKEN_KEYS: `t1:${KEY}:weak` }, /^TOKEN_KEYS must begin with a key that is not weak\.$/],
    ["private upstreams in public", { ALLOW_PRIVATE_UPSTREAMS: "true" }, /^ALLOW_PRIVATE_UPSTREAMS may be true only/],
    ["a loopback issuer in public", { OIDC_ISSUER: "http://localhost:8422" }, /^OIDC_ISSUER must be https:/],
    ["an issuer that is no URL", { OIDC_ISSUER: "accounts" }, /^OIDC_ISSUER must be a URL\.$/],
    ["Google without its secret", { GOOGLE_CLIENT_ID: "g" }, /^GOOGLE_CLIENT_SECRET is not set\.$/],
    ["an issuer without a client", { OIDC_ISSUER: "https://id.example" }, /^OIDC_CLIENT_ID is not set\.$/],
  ];
  it.each(cases)("%s", (_what, change, sentence) => {
    expect(() => readConfig({ ...GOOD, ...change })).toThrow(sentence);
  });
});

describe("settings", () => {
  it("are read whole, and the first key is current", () => {
    const config = readConfig({ ...GOOD, TOKEN_KEYS: `t2:${KEY},t1:${KEY}:weak`, TOKEN_KEY_IDS: "t3" });
    expect(config.local).toBe(false);
    expect(config.token_keys.current.id).toBe("t2");
    expect(config.token_keys.by_id.get("t1")?.weak).toBe(true);
    expect([...config.token_keys.known]).toEqual(["t2", "t1", "t3"]);
  });

  it("never show a key in a complaint", () => {
    const secret = "S3cr3tS3cr3t";
    expect(() => readConfig({ ...GOOD, ROOT_KEYS: `r1:${secret}` })).toThrow(
      expect.not.stringContaining(secret) as never,
    );
  });
});

describe("security.txt", () => {
  const now = Date.UTC(2026, 10, 27, 3);

  it("names whom to tell and until when that holds (RFC 9116 §2.5)", async () => {
    const contacts = "mailto:security@locker.example, https://locker.example/report";
    const config = readConfig({
      ...GOOD,
      SECURITY_CONTACT: contacts,
      SECURITY_POLICY: "https://locker.example/policy",
    });
    const answer = securityTxt(config, now);
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect((await answer.text()).split("\n")).toEqual([
      "Contact: mailto:security@locker.example",
      "Contact: https://locker.example/report",
      "Expires: 2027-02-25T00:00:00.000Z",
      "Canonical: https://locker.example/.well-known/security.txt",
      "Policy: https://locker.example/policy",
      "",
    ]);
  });

  it("is not there where its operator has named nobody", () => {
    expect(() => securityTxt(readConfig(GOOD), now)).toThrow("Nothing is served");
  });
});
