import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseKeyRing } from "../../src/config.ts";
import { openTransient, sealTransient } from "../../src/crypto/seal.ts";

const first = `r1:${randomBytes(32).toString("base64")}`;
const ring = parseKeyRing("ROOT_KEYS", first);

it("what travels through a browser comes back as it left", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ noUnicodeString: false }), async (value) => {
      const text = await sealTransient(ring, "sign-in", value);
      expect(text).toMatch(/^r1\.[\w-]+$/);
      expect(await openTransient(ring, "sign-in", text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it("is worth nothing for another use, under another root, or with any character changed", async () => {
  const text = await sealTransient(ring, "sign-in", { state: "s" });
  expect(await openTransient(ring, "consent", text)).toBeUndefined();
  const other = parseKeyRing("ROOT_KEYS", `r1:${randomBytes(32).toString("base64")}`);
  expect(await openTransient(other, "sign-in", text)).toBeUndefined();
  for (let at = 0; at < text.length; at++) {
    const changed = `${text.slice(0, at)}${text[at] === "A" ? "B" : "A"}${text.slice(at + 1)}`;
    expect(await openTransient(ring, "sign-in", changed), changed).toBeUndefined();
  }
});

it("has one spelling: nothing added to it is overlooked", async () => {
  const text = await sealTransient(ring, "sign-in", 1);
  for (const added of [`${text}.`, `${text}.x`, `${text}=`, `${text}!`, ` ${text}`, text.replace(".", ". ")])
    expect(await openTransient(ring, "sign-in", added), added).toBeUndefined();
});

it("opens nothing that was never sealed, and never throws", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.base64String().map((box) => `r1.${box}`),
      ),
      async (text) => {
        expect(await openTransient(ring, "sign-in", text)).toBeUndefined();
      },
    ),
  );
});

it("opens after the root was rotated, until the old root is taken away", async () => {
  const text = await sealTransient(ring, "sign-in", "kept");
  const second = `r2:${randomBytes(32).toString("base64")}`;
  expect(await openTransient(parseKeyRing("ROOT_KEYS", `${second},${first}`), "sign-in", text)).toBe("kept");
  expect(await openTransient(parseKeyRing("ROOT_KEYS", second), "sign-in", text)).toBeUndefined();
});

it("has one spelling, under a root that is known", async () => {
  const text = await sealTransient(ring, "sign-in", { state: "s" });
  for (const other of [
    "",
    "r1",
    "r1.",
    `r9${text.slice(2)}`,
    `${text}.`,
    `${text}.x`,
    `${text}=`,
    `${text} `,
    text.slice(3),
  ])
    expect(await openTransient(ring, "sign-in", other), other).toBeUndefined();
});
