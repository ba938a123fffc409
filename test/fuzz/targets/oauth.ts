import assert from "node:assert/strict";
import type { Config } from "../../../src/config.ts";
import type { Client } from "../../../src/oauth/client.ts";
import { readAuthorizationRequest, redirectOf } from "../../../src/oauth/authorization_request.ts";
import { readMetadata } from "../../../src/oauth/client_metadata.ts";
import { Form } from "../../../src/oauth/form.ts";
import { Problem } from "../../../src/problem.ts";
import type { Target } from "../fuzz.ts";

const config = { public_origin: "https://locker.example", proxy_origin: "https://proxy.example" } as Config;
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const asking = (more: string) => `response_type=code&code_challenge_method=S256&code_challenge=${CHALLENGE}&${more}`;
const HTTPS = "redirect_uri=https%3A%2F%2Fapp.example%2Fcb";

/** What is read of a parameter that comes once, by the URL standard; undefined where it is not there, or empty. */
const once = (given: URLSearchParams, name: string) => {
  assert.ok(given.getAll(name).length <= 1, name);
  return given.get(name) || undefined;
};

/**
 * Whatever a client registers and asks for: a code goes to https that is not ours or to this very machine, to an address that was
 * registered (but for that machine's port), bound by S256; and nothing is granted that was not asked for.
 */
export const target: Target = {
  seeds: [
    [asking(`${HTTPS}&scope=vault:read+vault:proxy&state=x`), "https://app.example/cb\nhttps://app.example/cb2"],
    [
      asking("redirect_uri=http%3A%2F%2F127.0.0.1%3A5%2Fcb&resource=https://locker.example/v1/mcp"),
      "http://127.0.0.1/cb",
    ],
    [asking("scope=offline_access&state=&response_mode=query"), "https://app.example/cb"],
    [asking("redirect_uri=com.app:/cb&scope=vault:reveal+x"), "com.app:/cb\nhttp://localhost:80/x?y"],
    [asking("redirect_uri=https://proxy.example/cb&request=x"), "https://proxy.example/cb\nhttps://user@app.example/"],
  ],
  words: [
    HTTPS,
    "vault:read",
    "vault:write",
    "vault:proxy",
    "vault:reveal",
    "offline_access",
    "http://localhost",
    "http://[::1]:80",
    "https://locker.example",
    "@",
    "\\",
    "#",
    ":0",
    "&state=",
    "&scope=",
    "&resource=",
    "%00",
    "https:\\\\",
    "https:app.example",
    "javascript:",
  ],
  run([query = "", registered = ""]) {
    const given = new URLSearchParams(query);
    const redirect_uris = registered.split("\n");
    try {
      const metadata = readMetadata({ redirect_uris, client_name: "a", grant_types: ["authorization_code"] }, config);
      const client = { id: "c", registration: "registered", metadata, auth_methods: ["none"] } as unknown as Client;
      const form = new Form(given);
      const redirect_uri = redirectOf(config, client, form);
      const url = new URL(redirect_uri);
      assert.deepEqual([url.username, url.password, url.hash], ["", "", ""]);
      assert.ok(!Object.values(config).includes(url.origin), redirect_uri);
      const loopback = url.protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
      assert.ok(url.protocol === "https:" || loopback, redirect_uri);
      const portless = (text: string) => Object.assign(new URL(text), { port: "" }).href;
      assert.ok(
        redirect_uris.includes(redirect_uri) ||
          (loopback &&
            redirect_uris
              .filter((one) => URL.canParse(one))
              .map(portless)
              .includes(portless(redirect_uri))),
        redirect_uri,
      );

      const read = readAuthorizationRequest(config, client, redirect_uri, form);
      assert.equal(read.redirect_uri, redirect_uri);
      assert.deepEqual([once(given, "response_type"), once(given, "code_challenge_method")], ["code", "S256"]);
      assert.equal(read.code_challenge, once(given, "code_challenge"));
      assert.equal(Buffer.from(read.code_challenge, "base64url").toString("base64url"), read.code_challenge);
      assert.equal(Buffer.from(read.code_challenge, "base64url").length, 32);
      assert.equal(read.state ?? undefined, once(given, "state"));
      assert.equal(read.resource, "https://locker.example/v1/mcp");
      const asked = (once(given, "scope") ?? "").split(" ").filter((one) => one !== "" && one !== "offline_access");
      for (const scope of read.scopes)
        assert.ok(asked.length === 0 ? ["vault:read", "vault:proxy"].includes(scope) : asked.includes(scope), scope);
      assert.ok(read.scopes.length > 0);
    } catch (refused) {
      if (!(refused instanceof Problem)) throw refused;
      assert.ok(refused.status < 500, refused.code);
    }
  },
};
