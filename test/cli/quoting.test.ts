import { execFileSync, spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exportLine, quoteCmd, quoteFish, quotePowerShell, quoteSh } from "../../src/cli/quoting.ts";

/** Any text that an environment can hold. */
const value = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));
const nasty = [
  "",
  "'",
  "''",
  "\\",
  "\\'",
  "ends with \\",
  "$HOME `id` $(id) ${x}",
  '"quoted"',
  "two\nlines\n",
  "\r\n\t",
  "ünïcödé 🔑",
  "‘typographic’ ‚quotes‛",
  "%PATH% ^& | <>",
  "-n",
  "!history!",
];

describe("a value that is quoted", () => {
  it("comes out of sh as it went in, whatever it is", () => {
    const values = [...nasty, ...fc.sample(value, 200)];
    const script = values.map((text, at) => `${exportLine("sh", `V${at}`, text)}\nprintf '%s\\0' "$V${at}"`).join("\n");
    const out = execFileSync("sh", ["-s"], { input: script });
    expect(out.toString().split("\0").slice(0, -1)).toEqual(values.map((text) => Buffer.from(text).toString()));
  });

  it.skipIf(spawnSync("fish", ["--version"]).error !== undefined)("comes out of fish as it went in", () => {
    const values = [...nasty, ...fc.sample(value, 100)];
    const script = values.map((text, at) => `${exportLine("fish", `V${at}`, text)}\nprintf '%s\\0' $V${at}`).join("\n");
    expect(execFileSync("fish", { input: script }).toString().split("\0").slice(0, -1)).toEqual(values);
  });

  it("is one word of fish's grammar: single quotes, in which only a quote and a backslash are special", () => {
    fc.assert(
      fc.property(value, (text) => {
        const quoted = quoteFish(text);
        expect(quoted).toMatch(/^'(\\[\\']|[^\\'])*'$/s);
        expect(quoted.slice(1, -1).replace(/\\([\\'])/g, "$1")).toBe(text);
      }),
    );
  });

  it("is one word of PowerShell's grammar, with every quote that it knows doubled", () => {
    const quotes = "'\u2018\u2019\u201A\u201B";
    fc.assert(
      fc.property(fc.oneof(value, fc.string({ unit: fc.constantFrom(...quotes, "a", "`", "$") })), (text) => {
        const inside = quotePowerShell(text).slice(1, -1);
        expect(inside.replace(/(['\u2018\u2019\u201A\u201B])\1/g, "$1")).toBe(text);
        expect(inside.replace(/(['\u2018\u2019\u201A\u201B])\1/g, "")).not.toMatch(/['\u2018\u2019\u201A\u201B]/);
      }),
    );
  });

  it("is one word of sh's grammar", () => {
    fc.assert(
      fc.property(value, (text) => {
        expect(quoteSh(text).replace(/'\\''/g, "")).toMatch(/^'[^']*'$/s);
      }),
    );
  });
});

describe("an argument for a batch file", () => {
  /** What `cmd.exe` makes of a line: a caret escapes what follows. */
  const once = (line: string) => line.replace(/\^(.)/gs, "$1");

  it("reads as it was once cmd has read it twice, and means nothing to cmd in between", () => {
    fc.assert(
      fc.property(value, (text) => {
        const quoted = quoteCmd(text);
        expect(quoted.replace(/\^./gs, "")).not.toMatch(/[()%!^"<>&|;, ]/);
        const forProgram = once(once(quoted));
        expect(forProgram.startsWith('"') && forProgram.endsWith('"')).toBe(true);
        expect(argumentOf(forProgram)).toBe(text);
      }),
    );
  });

  /** How C programs on Windows read one quoted argument. */
  function argumentOf(quoted: string): string {
    return quoted
      .slice(1, -1)
      .replace(/(\\+)$/, (all: string) => all.slice(all.length / 2))
      .replace(/(\\*)\\"/g, (_, slashes: string) => `${slashes.slice(slashes.length / 2)}"`);
  }
});
