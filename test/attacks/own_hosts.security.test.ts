import fc from "fast-check";
import { expect, test } from "vitest";
import type { Config } from "../../src/config.ts";
import { assertForeign } from "../../src/proxy/send.ts";
import { redirectedTo } from "../../src/proxy/target.ts";
import { isOurs } from "../../src/vault/alerts/public_host.ts";
import { basePaths, fence, hostilePaths, ORIGIN } from "../support/hostile_paths.ts";

test("our own hosts are never an upstream, by whatever spelling of the name", () => {
  const ours = { proxy_origin: "https://proxy.example", public_origin: "http://localhost:8420" };
  const own = [
    "https://proxy.example",
    "https://PROXY.example.",
    "http://proxy.example",
    "http://localhost:8420/x",
    "https://localhost.:8420",
  ];
  const foreign = [
    "https://xproxy.example",
    "https://proxy.example.org",
    "http://localhost:8421",
    "http://localhost",
    "https://proxy.example:8443",
  ];
  for (const url of own) expect([url, isOurs(ours, new URL(url))]).toEqual([url, true]);
  for (const url of foreign) expect([url, isOurs(ours, new URL(url))]).toEqual([url, false]);
  const config = ours as Config;
  expect(() => assertForeign(config, new URL("https://proxy.example/v1"))).toThrow("The proxy does not call itself.");
  expect(() => assertForeign(config, new URL(ORIGIN))).not.toThrow();
});

test("a redirect, whatever it says, leads to the proxy only from inside the fence, and never to another host of ours", () => {
  const ours = { proxy_origin: "https://proxy.example", public_origin: "https://locker.example" };
  const own = fc.constantFrom(
    "https://proxy.example",
    "http://locker.example",
    "//LOCKER.example.",
    "/\\proxy.example",
    "https://locker.example:443",
  );
  const locations = fc.oneof(
    hostilePaths,
    own,
    fc.tuple(own, hostilePaths).map(([origin, path]) => origin + path),
  );
  fc.assert(
    fc.property(basePaths, locations, fc.constantFrom("key", null), (base_path, location, key) => {
      const target = new URL(`${ORIGIN}${base_path}/a/b`);
      let told: string;
      try {
        told = redirectedTo(location, target, fence(base_path), { ...ours, key });
      } catch (refused) {
        expect(refused).toMatchObject({ code: "upstream_refused" });
        return;
      }
      // Absolute, so that nothing of ours is its base.
      const to = new URL(told);
      if (to.origin !== "https://proxy.example") expect(isOurs(ours, to)).toBe(false);
      else {
        const meant = new URL(location, target);
        expect(meant.origin).toBe(ORIGIN);
        expect(told).toBe(
          `https://proxy.example${key === null ? "" : "/v1/proxy/key"}${meant.pathname.slice(base_path.length)}${meant.search}${meant.hash}`,
        );
      }
    }),
    { numRuns: 20_000 },
  );
});
