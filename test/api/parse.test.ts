import { expect, it } from "vitest";
import { parse } from "../../src/api/parse.ts";
import { ActivityQuery, MePatch, NewKey, Policy } from "../../src/api/schema.ts";
import { Problem } from "../../src/problem.ts";

const key = { name: "k", provider: "custom", secret: "s" };

it.each([
  [NewKey, { provider: "custom", secret: "s" }, "name: must be given."],
  [NewKey, { ...key, name: 5 }, "name: must be a text."],
  [NewKey, { ...key, secret: undefined, fields: { A: "b" } }, "fields.A: must be a field name."],
  [NewKey, { ...key, tags: Array(21).fill("t") }, "tags: must have at most 20 items."],
  [NewKey, { ...key, tags: ["a", "b,c"] }, "tags.1: must be without a comma."],
  [NewKey, { ...key, expires_at: "soon" }, "expires_at: must be a time such as 2027-01-31T12:00:00Z."],
  [
    NewKey,
    { ...key, placement: { in: "nowhere" } },
    "placement.in: must be one of bearer, basic, header, headers, oauth, sigv4, query.",
  ],
  [NewKey, { ...key, colour: "red" }, "colour: is not a field of this request."],
  [NewKey, null, "The body: must be an object."],
  [MePatch, { name: "" }, "name: must not be empty."],
  [MePatch, { name: "n".repeat(101) }, "name: must have at most 100 characters."],
  [ActivityQuery, { limit: "many" }, "limit: must be a number."],
  [ActivityQuery, { limit: "0" }, "limit: must be at least 1."],
  [Policy, { methods: ["GETT"] }, "methods.0: must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY."],
  [Policy, { spend: { usd_per_day: 0 } }, "spend.usd_per_day: must be more than 0."],
] as const)("what is wrong is told by its field and by what it must be: %#", (schema, value, told) => {
  expect(() => parse(schema, value)).toThrow(Problem);
  expect(() => parse(schema, value)).toThrow(told);
});
