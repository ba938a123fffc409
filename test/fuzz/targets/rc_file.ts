import assert from "node:assert/strict";
import { Failure } from "../../../src/cli/failure.ts";
import { parseRc, rcText } from "../../../src/cli/rc_file.ts";
import type { Target } from "../fuzz.ts";

/** Every name that is read is one that a key can have, once; what is written reads back; and what is no name is a failure that says where. */
export const target: Target = {
  seeds: [
    ["keys:\n  - openai@prod\n  - 'stripe'\n"],
    ["# all\nopenai # the one\n\n---\nopenai\n"],
    ['\ufeffkeys:\r\n- "a.b_c-d"\r\n'],
    ["- a b\nc: d"],
  ],
  words: ["keys:", "- ", "---", "#", " #", "'", '"', "@", "\n", "\r\n"],
  run([text = ""]) {
    let names: string[];
    try {
      names = parseRc(text);
    } catch (failure) {
      assert.ok(failure instanceof Failure, String(failure));
      const [, line = "0"] = /^\.apilockerrc:(\d+): /.exec(failure.message) ?? [];
      assert.ok(Number(line) >= 1 && Number(line) <= text.split("\n").length, failure.message);
      return;
    }
    for (const name of names) {
      assert.match(name, /^[A-Za-z0-9._-]{1,64}(@[A-Za-z0-9._-]{1,32})?$/);
      assert.ok(text.includes(name));
    }
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(parseRc(rcText(names)), names);
  },
};
