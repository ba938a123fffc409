import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { Scrubber } from "../../src/proxy/scrub.ts";
import { spellings } from "../../src/proxy/spellings.ts";

/** What comes out of a stream cut into these pieces. */
async function piped(scrubber: Scrubber, pieces: readonly Buffer[]): Promise<{ out: Buffer; written: number }> {
  const out: Uint8Array[] = [];
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const sink = new WritableStream<Uint8Array>({ write: (chunk) => void out.push(chunk) });
  const written = await scrubber.pipe(source, sink, new AbortController().signal);
  return { out: Buffer.concat(out), written };
}

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length));
}

/** Credentials as they are stored: printable ASCII. Brackets are left out, since what is put in their place has them. */
const secret = fc
  .string({ unit: fc.constantFrom(...'abcXYZ019+/=-_. %"\\~!'), minLength: 6, maxLength: 40 })
  .filter((text) => text.trim().length >= 6);
const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
const places = fc.array(fc.nat(400), { maxLength: 12 });

describe("for any credential", () => {
  test("no spelling of it comes out, however the stream is cut, and the bytes around it are unchanged", async () => {
    const cases = fc.tuple(secret, noise, noise, fc.nat(100), places);
    await fc.assert(
      fc.asyncProperty(cases, async ([text, before, after, which, at]) => {
        const all = spellings(text).filter((spelling) => spelling.length >= 6);
        const spelling = all[which % all.length] as string;
        const given = Buffer.concat([
          before,
          Buffer.from("\n"),
          Buffer.from(spelling, "latin1"),
          Buffer.from("\n"),
          after,
        ]);
        const { out, written } = await piped(new Scrubber([text]), cut(given, at));
        const heard = out.toString("latin1").toLowerCase();
        for (const each of all) expect(heard).not.toContain(each.toLowerCase());
        expect(written).toBe(out.length);
        expect(out.subarray(0, before.length + 1).equals(given.subarray(0, before.length + 1))).toBe(true);
        expect(out.subarray(out.length - after.length).equals(after)).toBe(true);
        expect(out.toString("latin1")).toContain("[redacted]");
      }),
      { numRuns: 2_000 },
    );
  });

  test("a stream without it comes out as it went in", async () => {
    await fc.assert(
      fc.asyncProperty(secret, noise, places, async (text, bytes, at) => {
        const view = bytes.toString("latin1").toLowerCase();
        fc.pre(!spellings(text).some((spelling) => spelling.length >= 6 && view.includes(spelling.toLowerCase())));
        const { out } = await piped(new Scrubber([text]), cut(bytes, at));
        expect(out.equals(bytes)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test("the cuts make no difference", async () => {
    const beginning = fc.tuple(secret, fc.nat(40)).map(([text, at]) => ({ text, piece: text.slice(0, at) }));
    await fc.assert(
      fc.asyncProperty(
        beginning,
        fc.array(fc.boolean(), { maxLength: 6 }),
        places,
        async ({ text, piece }, order, at) => {
          // Whole credentials among mere beginnings of them: what is held back must be decided rightly each time.
          const bytes = Buffer.from(order.map((whole) => (whole ? text : piece)).join(""), "latin1");
          const inOne = await piped(new Scrubber([text]), [bytes]);
          const inMany = await piped(new Scrubber([text]), cut(bytes, at));
          expect(inMany.out.toString("latin1")).toBe(inOne.out.toString("latin1"));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("base64 of it within anything longer is found at each of the three alignments", () => {
    fc.assert(
      fc.property(secret, noise, noise, (text, before, after) => {
        const within = Buffer.concat([before, Buffer.from(text), after]);
        for (const coding of ["base64", "base64url"] as const) {
          expect(new Scrubber([text]).text(within.toString(coding))).toContain("[redacted]");
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("several credentials are all found", () => {
    fc.assert(
      fc.property(fc.array(secret, { minLength: 1, maxLength: 5 }), (texts) => {
        const out = new Scrubber(texts).text(texts.join(" | "));
        for (const text of texts) expect(out.toLowerCase()).not.toContain(text.toLowerCase());
      }),
    );
  });
});

describe("what is held back", () => {
  const scrubber = new Scrubber(["sk-live-12345"]);
  const step = (text: string) => {
    const { out, keep } = scrubber.step(Buffer.from(text));
    return { out: out.toString(), keep: keep.toString() };
  };

  test("never a whole line, so an event of a stream is never late", () => {
    expect(step("data: hello sk-li\n\n")).toEqual({ out: "data: hello sk-li\n\n", keep: "" });
    expect(step("data: one\ndata: t")).toEqual({ out: "data: one\n", keep: "data: t" });
  });

  test("says nothing of the credential: how much it is does not depend on what was written", () => {
    const held = ["sk-live-1234", "xk-live-1234", "sk-xxxxx-xxx", "000000000000"].map(
      (text) => step(`${"a".repeat(500)}${text}`).keep.length,
    );
    expect(new Set(held).size).toBe(1);
  });

  test("is let go once it can be no spelling any more", () => {
    const { out } = step(`sk-live-12345${"a".repeat(1_000)}`);
    expect(out.startsWith("[redacted]aaa")).toBe(true);
  });
});

describe("spellings within spellings", () => {
  const key = 'AKIA/wJal+rXUt&nF<EM"I';
  const json = (text: string) => JSON.stringify(text).slice(1, -1);
  const html = (text: string) =>
    text.replace(/[&<"]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", '"': "&quot;" })[letter] ?? "");
  const numbered = (text: string) => text.replace(/[&<"+/]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  test.each([
    ["Python's quote, which leaves slashes", encodeURIComponent(key).replaceAll("%2F", "/")],
    ["a form", new URLSearchParams({ k: key }).toString()],
    ["JSON that escapes for HTML", json(key).replaceAll("&", "\\u0026").replaceAll("<", "\\u003c")],
    ["JSON in JSON", json(json(key))],
    ["JSON in JSON that escapes for HTML", json(json(key).replaceAll("&", "\\u0026"))],
    ["percent twice over", encodeURIComponent(encodeURIComponent(key))],
    ["HTML", html(key)],
    ["HTML of a template that is more careful", numbered(key)],
    ["HTML in hex", key.replace(/\W/g, (letter) => `&#X00${letter.charCodeAt(0).toString(16)};`)],
    ["HTML twice over", html(html(key))],
    ["HTML in JSON", json(html(key))],
    ["JSON in HTML", html(json(key))],
    ["HTML in JSON that escapes for HTML", json(numbered(key)).replaceAll("&", "\\u0026")],
    ["base64 in a query", encodeURIComponent(Buffer.from(key).toString("base64"))],
    ["some letters escaped and others not", key.replace("A", "%41").replace("K", "\\u004b").replace("I", "\\x49")],
  ])("%s", (_what, spelled) => {
    const out = new Scrubber([key]).text(`before ${spelled} after`);
    expect(out).toContain("[redacted]");
    expect(out).not.toMatch(/rXUt|Jal/);
    expect(out.startsWith("before ")).toBe(true);
    expect(out.endsWith(" after")).toBe(true);
  });
});

test("a secret of 64 KiB is found as well as a short one, and not too slowly", async () => {
  const long = Array.from({ length: 65_536 }, (_, at) => String.fromCharCode(33 + ((at * 7 + (at >> 5)) % 90))).join(
    "",
  );
  const scrubber = new Scrubber([long]);
  const { out } = await piped(
    scrubber,
    cut(Buffer.from(`a ${long} b ${encodeURIComponent(long)} c`), [10, 50_000, 70_000, 100_000]),
  );
  expect(out.toString()).toBe("a [redacted] b [redacted] c");
});

test("the longest spelling there is, entities in entities, is held back until it is whole", async () => {
  const escaped = (text: string) =>
    text.replace(/./g, (letter) => `&#x0026;#x00${letter.charCodeAt(0).toString(16).padStart(2, "0")};`);
  const hex = Buffer.from("sk-live-0123456789").toString("hex");
  const text = Buffer.from(`a ${escaped(hex)} b`);
  const { out } = await piped(new Scrubber(["sk-live-0123456789"]), [text.subarray(0, -20), text.subarray(-20)]);
  expect(out.toString()).toBe("a [redacted] b");
});

test("bytes that come one by one are searched a few times each, however much is held back, and the credential is found", async () => {
  const long = "sk-live-".repeat(128);
  const given = Buffer.from(`${"%41".repeat(7_000)}${long}${"a".repeat(7_000)}`);
  const scrubber = new Scrubber([long]);
  const searched = vi.spyOn(scrubber, "step");
  const one_by_one = Array.from(given, (_byte, at) => given.subarray(at, at + 1));
  const { out } = await piped(scrubber, one_by_one);
  expect(out.toString()).toBe(`${"%41".repeat(7_000)}[redacted]${"a".repeat(7_000)}`);
  const bytes = searched.mock.calls.reduce((sum, [text]) => sum + text.length, 0);
  expect(bytes / given.length).toBeLessThan(20);
});

test("text of any language around a credential survives in a header's value", () => {
  expect(new Scrubber(["sk-live-12345"]).text("ключ sk-live-12345 — 鍵 😀")).toBe("ключ [redacted] — 鍵 😀");
});

test("spaces around a credential are lost on the way: it is known without them", () => {
  expect(new Scrubber([" sk-live-12345  "]).text("key=sk-live-12345;")).toBe("key=[redacted];");
});

test("a text of a few letters is left alone: taking it out would tear holes into ordinary words", () => {
  expect(new Scrubber(["abc", ""]).text("abcdef")).toBe("abcdef");
});

test("a broken source breaks the copy, and an abort stops it and lets go of the source", async () => {
  const scrubber = new Scrubber(["sk-live-12345"]);
  const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("broken off")) });
  await expect(scrubber.pipe(broken, new WritableStream(), new AbortController().signal)).rejects.toThrow("broken off");

  const canceled = Promise.withResolvers<unknown>();
  const endless = new ReadableStream<Uint8Array>({ cancel: (reason) => canceled.resolve(reason) });
  const stop = new AbortController();
  const copying = scrubber.pipe(endless, new WritableStream(), stop.signal);
  stop.abort(new Error("cut: revoked"));
  await expect(copying).rejects.toThrow("cut: revoked");
  expect(await canceled.promise).toMatchObject({ message: "cut: revoked" });
  await expect(scrubber.pipe(new ReadableStream(), new WritableStream(), stop.signal)).rejects.toThrow("cut: revoked");
});
