import { expect, test } from "vitest";
import { pagination } from "../../src/proxy/pagination.ts";

const rewritten = (url: string) => {
  if (url.includes("ours")) throw new Error("ours");
  return `https://proxy.example${new URL(url, "https://api.example").pathname}`;
};

test.each([
  [null, ""],
  [
    `<https://api.example/a?page=2>; rel="next", <https://api.example/z>; rel="last"`,
    `<https://proxy.example/a>; rel="next", <https://proxy.example/z>; rel="last"`,
  ],
  [`</style.css>; rel=preload; as=style, </a>; rel=next`, `<https://proxy.example/a>; rel="next"`],
  [`<https://evil.example/x.js>; rel="modulepreload"`, ""],
  [`</a>; rel="next preload"`, ""],
  [`</a>; title="x, y"; rel="prev"; results="true"`, `<https://proxy.example/a>; rel="prev"`],
  [`<https://ours.example/>; rel="next"`, ""],
  ["nonsense", ""],
  [`${"<".repeat(1_000_000)}</a>; rel="next"`, `<https://proxy.example/a>; rel="next"`],
])("%.80s", (link, kept) => {
  expect(pagination(link, rewritten)).toBe(kept);
});
