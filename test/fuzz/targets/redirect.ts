import assert from "node:assert/strict";
import { Problem } from "../../../src/problem.ts";
import { readProxyPath, redirectedTo } from "../../../src/proxy/target.ts";
import { fence, ORIGIN } from "../../support/hostile_paths.ts";
import type { Target } from "../fuzz.ts";

const OURS = { public_origin: "https://locker.example", proxy_origin: "https://proxy.example" };
const CALLED = new URL(`${ORIGIN}/v2/things/1?x=1`);

/**
 * Who follows a redirect as it is told comes to where the upstream meant, through the proxy and this very key, or to an address
 * outside that names none of ours.
 */
export const target: Target = {
  seeds: [
    ["../v1/proxy/"],
    ["%"],
    ["2?y#z"],
    ["/v2/other?y=2#part"],
    [`${ORIGIN}/v2`],
    ["../../x"],
    ["//evil.example/v2/x"],
    ["https://PROXY.example:443/v1/proxy/k/x"],
    ["\\\\locker.example\\x"],
    ["https://user:pass@api.stripe.com/v2/x"],
    ["javascript:alert(1)"],
  ],
  words: [
    "/v2",
    "/v2/",
    "..",
    "%2e%2e",
    ORIGIN,
    "https://proxy.example",
    "https://locker.example",
    "/v1/proxy/k",
    "/v1/proxy/other",
    "//",
    "\\",
  ],
  run([location = ""]) {
    for (const [key, base_path] of [
      ["k", "/v2"],
      [null, "/v2"],
      ["k", ""],
    ] as const) {
      let told: string;
      try {
        told = redirectedTo(location, CALLED, fence(base_path), { ...OURS, key });
      } catch (refused) {
        assert.ok(refused instanceof Problem && refused.code === "upstream_refused");
        continue;
      }
      const meant = new URL(location, CALLED);
      const followed = new URL(told);
      assert.notEqual(followed.origin, OURS.public_origin);
      const inside =
        meant.origin === ORIGIN && (meant.pathname === base_path || meant.pathname.startsWith(`${base_path}/`));
      assert.equal(followed.origin === OURS.proxy_origin, inside, told);
      if (!inside) {
        assert.equal(told, meant.href);
        continue;
      }
      const asked = readProxyPath(followed.href.replace(/#.*$/s, ""));
      const path = meant.pathname.slice(base_path.length);
      assert.deepEqual(asked, { key, path: key === null ? path || "/" : path, query: meant.search.slice(1) });
      assert.equal(followed.hash, meant.hash);
    }
  },
};
