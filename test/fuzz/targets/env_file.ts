import assert from "node:assert/strict";
import { envLine, parseEnv } from "../../../src/cli/env_file.ts";
import type { Target } from "../fuzz.ts";

/** A value that is written reads back the same, whatever stands after it; and no line is read twice, or as a name that is none. */
export const target: Target = {
  seeds: [
    ["\r", ""],
    ["sk-live-1", "A=1\nexport B = 'x y' # note\n"],
    ['it\'s "$HOME" \\n\n# no comment', 'C="a\\nb"\n\nD=`x`\r\nE=\n'],
    [" padded ", "# A=1\n=x\nF=a#b #c"],
    ["a\rb", "\ufeffG='open\nH=2"],
  ],
  words: ["export ", "=", '"', "'", "`", "#", " #", "\\n", '\\"', "\r", "\n", "A=", "\ufeff", "$", "\\"],
  run([value = "", text = ""]) {
    const written = envLine("SECRET", value);
    const [first, ...rest] = parseEnv(`${written}\n${text.replace(/^\ufeff/, "")}`);
    assert.deepEqual(first, { name: "SECRET", value, line: 1 });
    const lines = written.split(/\r\n?|\n/).length;
    assert.deepEqual(
      rest,
      parseEnv(text).map((entry) => ({ ...entry, line: entry.line + lines })),
    );
    let line = 0;
    const all = text.replace(/^\ufeff/, "").split(/\r\n?|\n/);
    for (const entry of parseEnv(text)) {
      assert.match(entry.name, /^[A-Za-z_][\w.-]*$/);
      assert.ok(entry.line > line && entry.line <= all.length, String(entry.line));
      assert.ok(all[entry.line - 1]?.includes(entry.name), entry.name);
      line = entry.line;
    }
  },
};
