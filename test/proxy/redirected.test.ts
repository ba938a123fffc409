import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import { readProxyPath, redirectedTo } from "../../src/proxy/target.ts";
import { addresses } from "../support/hostile_paths.ts";

const OURS = { public_origin: "https://locker.example", proxy_origin: "https://proxy.example" };
const DESTINATION = {
  provider: "custom",
  origin: "https://api.example",
  base_path: "/v2",
  placement: { in: "bearer" } as const,
  headers: {},
};
const TARGET = new URL("https://api.example/v2/things/1?x=1");

const led = (location: string, key: string | null = "k", base_path = "/v2") =>
  redirectedTo(location, TARGET, { ...DESTINATION, base_path }, { ...OURS, key });
const refusal = (work: () => unknown) => {
  try {
    return work();
  } catch (thrown) {
    return thrown instanceof Problem ? thrown.code : thrown;
  }
};

describe("where a redirect leads", () => {
  test.each([
    ["2", "https://proxy.example/v1/proxy/k/things/2"],
    ["/v2/other?y=2#part", "https://proxy.example/v1/proxy/k/other?y=2#part"],
    ["https://api.example/v2", "https://proxy.example/v1/proxy/k"],
    ["https://api.example/v2?z", "https://proxy.example/v1/proxy/k?z"],
    ["?page=2", "https://proxy.example/v1/proxy/k/things/1?page=2"],
    // Beside the fence, though it begins alike.
    ["/v20/x", "https://api.example/v20/x"],
    ["/v1/x", "https://api.example/v1/x"],
    ["../../x", "https://api.example/x"],
    ["//evil.example/v2/x", "https://evil.example/v2/x"],
    ["http://api.example/v2/x", "http://api.example/v2/x"],
    ["https://api.example:444/v2/x", "https://api.example:444/v2/x"],
  ])("%s is told as %s", (location, told) => {
    expect(led(location)).toBe(told);
  });

  test("in direct mode it is the same path at the proxy; without a base path all of the origin is inside", () => {
    expect(led("/v2/x", null)).toBe("https://proxy.example/x");
    expect(led("/anything", "k", "")).toBe("https://proxy.example/v1/proxy/k/anything");
    expect(led("/anything", null, "")).toBe("https://proxy.example/anything");
    expect(led("https://other.example/", "k", "")).toBe("https://other.example/");
    expect(led("/v2/v1/proxy", null)).toBe("https://proxy.example/v1/proxy");
  });

  test.each([
    "https://locker.example/",
    "//proxy.example/v1/proxy/k/x",
    "https://LOCKER.example/x",
    "https://[",
    "http://",
  ])("%s cannot be passed on", (location) => {
    expect(refusal(() => led(location))).toBe("upstream_refused");
    expect(() => led(location)).toThrow("The upstream redirects to an address that cannot be passed on.");
  });

  test("in direct mode none is told that would be read as a key's name", () => {
    for (const [location, base_path] of [
      ["/v2/v1/proxy/other/x", "/v2"],
      ["/v1/proxy/", ""],
    ] as const) {
      expect(refusal(() => led(location, null, base_path))).toBe("upstream_refused");
      expect(led(location, "k", base_path)).toBe(`https://proxy.example/v1/proxy/k${location.slice(base_path.length)}`);
    }
  });

  test("whatever it says, an address at the proxy is of this key and stands for one inside the fence", () => {
    const locations = fc.oneof(
      addresses,
      fc.string(),
      fc
        .tuple(
          fc.constantFrom(
            "",
            "/",
            "//",
            "https://api.example",
            "https://api.example/v2",
            "https://proxy.example",
            "/v2/",
          ),
          fc.stringMatching(/^[a-z./\\%2eF?#@:]{0,12}$/),
        )
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(locations, (location) => {
        const told = refusal(() => led(location));
        if (typeof told !== "string" || told === "upstream_refused") return;
        const url = new URL(told);
        expect(url.origin).not.toBe(OURS.public_origin);
        if (url.origin !== OURS.proxy_origin) return;
        const meant = new URL(location, TARGET);
        expect(meant.origin).toBe(DESTINATION.origin);
        expect(meant.pathname === "/v2" || meant.pathname.startsWith("/v2/")).toBe(true);
        expect(told.startsWith("https://proxy.example/v1/proxy/k")).toBe(true);
        expect(url.pathname.slice("/v1/proxy/k".length)).toBe(meant.pathname.slice("/v2".length));
      }),
      { numRuns: 1_000 },
    );
  });
});

const WHY: Record<string, string> = {
  not_found: "There is no key of that name.",
  target_refused: "The request names no path.",
};

describe("the path of a request to the proxy", () => {
  test.each([
    ["https://proxy.example/v1/proxy/k/a/b?c=d", { key: "k", path: "/a/b", query: "c=d" }],
    ["https://proxy.example/v1/proxy/k", { key: "k", path: "", query: "" }],
    ["https://proxy.example/v1/proxy/k%40prod/x", { key: "k@prod", path: "/x", query: "" }],
    ["https://proxy.example/v1/proxy/k@prod/x", { key: "k@prod", path: "/x", query: "" }],
    ["http://proxy.example/a?b?c", { key: null, path: "/a", query: "b?c" }],
    ["HTTPS://proxy.example", { key: null, path: "/", query: "" }],
    ["https://proxy.example?x", { key: null, path: "/", query: "x" }],
    ["https://proxy.example/v1/proxy", { key: null, path: "/v1/proxy", query: "" }],
  ])("%s", (url, read) => {
    expect(readProxyPath(url)).toEqual(read);
  });

  test.each([
    ["https://proxy.example/v1/proxy//x", "not_found"],
    ["https://proxy.example/v1/proxy/a%20b/x", "not_found"],
    [`https://proxy.example/v1/proxy/${"k".repeat(65)}/x`, "not_found"],
    ["https://proxy.example/v1/proxy/k@/x", "not_found"],
    [`https://proxy.example/v1/proxy/k@${"e".repeat(33)}`, "not_found"],
    ["https://proxy.example/v1/proxy/k%40a%40b/x", "not_found"],
    ["ftp://proxy.example/x", "target_refused"],
    ["xhttps://proxy.example/x", "target_refused"],
    ["/v1/proxy/k/x", "target_refused"],
  ])("%s: %s", (url, code) => {
    expect(refusal(() => readProxyPath(url))).toBe(code);
    expect(() => readProxyPath(url)).toThrow(WHY[code]);
  });
});
