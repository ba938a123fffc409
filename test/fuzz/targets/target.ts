import assert from "node:assert/strict";
import { Problem } from "../../../src/problem.ts";
import { readProxyPath, targetOf } from "../../../src/proxy/target.ts";
import { readPath } from "../../../src/vault/policy/path.ts";
import { assertInside } from "../../support/fence.ts";
import { fence } from "../../support/hostile_paths.ts";
import type { Target } from "../fuzz.ts";

const BASES = ["", "/v1", "/v1/projects/a"];

/** Whatever URL comes in, a call goes to the key's own origin and under its base path, along the path that was judged, or nowhere. */
export const target: Target = {
  seeds: [
    ["https://proxy.example/v1/proxy/openai/v1/models?a=b"],
    ["http://proxy.example/v1/proxy/openai@prod"],
    ["https://proxy.example/v1/proxy/k%40a/..%2f..;/x//y?#@evil.example"],
    ["https://proxy.example/direct/%252e%252e/a%5c..\\x"],
    ["HTTP://user@proxy.example?x=/v1/proxy/k"],
  ],
  words: [
    "/v1/proxy/",
    "/..",
    "/%2e%2e",
    "%2f",
    "%5c",
    "%00",
    "%252e",
    "/.;",
    "//",
    "@evil.example",
    "https://",
    "\uff0e\uff0e",
    "%ef%bc%8e",
    "/v1",
    "/projects/a",
  ],
  run([url = ""]) {
    for (const base_path of BASES) {
      try {
        const { key, path, query } = readProxyPath(url);
        assert.ok(key === null || /^[\w.-]+(@[\w.-]+)?$/.test(key), String(key));
        assert.ok(url.includes(path) && url.includes(query));
        const read = readPath(path, base_path !== "");
        const target = targetOf(fence(base_path), path === "" ? "" : read.raw, query);
        assertInside(base_path, target);
        const sent = target.pathname.slice(base_path.length);
        assert.deepEqual(sent.slice(1).split("/").map(decodeURIComponent), path === "" ? [""] : read.segments);
      } catch (refused) {
        if (!(refused instanceof Problem)) throw refused;
        assert.ok(refused.code === "target_refused" || refused.code === "not_found", refused.code);
      }
    }
  },
};
