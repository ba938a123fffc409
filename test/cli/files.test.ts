import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { listProviders } from "../../src/catalog/catalog.ts";
import { optionalFieldsOf, secretFieldsOf } from "../../src/catalog/provider.ts";
import { fieldsOf } from "../../src/cli/fields.ts";
import type { Locker } from "../../src/cli/client.ts";
import { variablesFor } from "../../src/cli/secrets.ts";
import { secretVariable, steers, variableName } from "../../src/cli/env_names.ts";
import { envLine, parseEnv } from "../../src/cli/env_file.ts";
import { candidatesIn, guessProvider } from "../../src/cli/import_keys.ts";
import { findRc, parseRc, rcText } from "../../src/cli/rc_file.ts";
import { withEntries } from "../../src/cli/sync_targets.ts";

const values = (text: string) => Object.fromEntries(parseEnv(text).map(({ name, value }) => [name, value]));

describe("a .env file", () => {
  it.each([
    ["A=1", { A: "1" }],
    ["export A=1\r\nB = two words  \n", { A: "1", B: "two words" }],
    ["# a comment\n\nA=1 # behind\nB=a#b\n", { A: "1", B: "a#b" }],
    [
      `A='single $x # no comment'\nB="double \\"q\\" \\n line"\nC=\`back\``,
      { A: "single $x # no comment", B: 'double "q" \n line', C: "back" },
    ],
    [`KEY="-----BEGIN\nabc\n-----END"\nNEXT=1`, { KEY: "-----BEGIN\nabc\n-----END", NEXT: "1" }],
    ["A=\nB=''\nC=", { A: "", B: "", C: "" }],
    ["\uFEFFA=1\nnot a line\n=x\n1A=2\nB=2", { A: "1", B: "2" }],
    ["A='open\nB=2", { A: "'open", B: "2" }],
    ["A=1\nA=2", { A: "2" }],
  ])("%j", (text, wanted) => {
    expect(values(text)).toEqual(wanted);
  });

  it("reads back every value that is written", () => {
    const value = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));
    fc.assert(
      fc.property(value, (text) => {
        expect(values(`${envLine("A", text)}\nB=2`)).toEqual({ A: text, B: "2" });
      }),
    );
    for (const text of ["a\rb", "a\r\nb", "\r", "it's\r"]) expect(values(envLine("A", text))).toEqual({ A: text });
  });

  it("keeps what is not ours when entries are put into it", () => {
    const before = `# mine\nA=1\nLONG="two\nlines"\n\nB=2 # stays\n`;
    const after = withEntries(before, [
      { name: "LONG", value: "short" },
      { name: "NEW", value: "it's new" },
    ]);
    expect(after).toBe(`# mine\nA=1\nLONG=short\n\nB=2 # stays\nNEW="it's new"\n`);
    expect(withEntries("", [{ name: "A", value: "1" }])).toBe("A=1\n");
  });
});

describe("what an import makes of a file", () => {
  it("knows providers by variable and by how a key begins, and stores nothing that it cannot place", () => {
    expect(guessProvider("OPENAI_API_KEY", "anything")).toBe("openai");
    expect(guessProvider("WHATEVER", "sk-ant-xyz")).toBe("anthropic");
    expect(guessProvider("DATABASE_URL", "postgres://x")).toBeUndefined();
    const text = "OPENAI_API_KEY=sk-1\nDATABASE_URL=postgres://x\nSTRIPE_SECRET_KEY=\nGROQ_API_KEY=gsk_1\n";
    const found = candidatesIn(text, new Set(["GROQ_API_KEY"]), new Set(["openai", "groq", "stripe"]));
    expect(found.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "OPENAI_API_KEY new",
      "DATABASE_URL unknown",
      "STRIPE_SECRET_KEY empty",
      "GROQ_API_KEY taken",
    ]);
  });
});

describe("names of variables", () => {
  it.each([
    ["openai", "OPENAI"],
    ["openai@prod", "OPENAI_PROD"],
    ["OPENAI_API_KEY", "OPENAI_API_KEY"],
    ["my.key-2", "MY_KEY_2"],
    ["3scale", "_3SCALE"],
    ["--", "_"],
  ])("%s is %s", (name, wanted) => {
    expect(variableName(name)).toBe(wanted);
  });

  it("are names that every shell takes", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(variableName(name)).toMatch(/^[A-Z_][A-Z0-9_]*$/);
      }),
    );
  });

  it("say which field, of a secret that has several", () => {
    expect(secretVariable("twilio", "username", 2)).toBe("TWILIO_USERNAME");
    expect(secretVariable("openai", "secret", 1)).toBe("OPENAI");
  });

  it("is never one by which programs are told what to run, whatever a key is called elsewhere", async () => {
    const asked = async (name: string) => {
      const items = [{ id: "key_1", name, version: 1, fields: { secret: "--require=/tmp/evil.js" } }];
      return variablesFor({ call: async () => ({ items }) } as unknown as Locker, ["key_1"]);
    };
    for (const name of [
      "node-options",
      "LD_PRELOAD",
      "path",
      "Bash.Env",
      "git-ssh@command",
      "https_proxy",
      "node-tls-reject-unauthorized",
      "openai-base-url",
    ])
      await expect(asked(name), name).rejects.toThrow("told what to run");
    expect(await asked("github")).toMatchObject([{ name: "GITHUB" }]);
    for (const name of ["GIT_TOKEN", "NODE_AUTH_TOKEN", "PATHE", "LDAP_PASSWORD", "SHELLY"])
      expect(steers(name)).toBe(false);
  });
});

it("what is asked for on a terminal is what the catalog's placements want, and what they take besides", () => {
  for (const { name, placement } of listProviders()) {
    const fields = fieldsOf(placement);
    const named = (wanted: boolean) => fields.filter(({ optional }) => optional === wanted).map((field) => field.name);
    expect(named(false).toSorted(), name).toEqual(secretFieldsOf(placement).toSorted());
    for (const field of named(true)) expect(optionalFieldsOf(placement), name).toContain(field);
  }
});

describe(".apilockerrc", () => {
  it("is read as a list, with or without YAML around it", () => {
    expect(parseRc("# what we need\nkeys:\n  - openai\n  - 'stripe@prod' # live\n")).toEqual(["openai", "stripe@prod"]);
    expect(parseRc("openai\r\nstripe\r\nopenai\r\n")).toEqual(["openai", "stripe"]);
    expect(parseRc(rcText(["a", "b@c"]))).toEqual(["a", "b@c"]);
    expect(() => parseRc("keys:\n  - two words")).toThrow(".apilockerrc:2");
  });

  it("is found upward, but not above home", async () => {
    const home = mkdtempSync(join(tmpdir(), "rc-"));
    const deep = join(home, "a", "b");
    mkdirSync(deep, { recursive: true });
    expect(await findRc(deep, home)).toBeUndefined();
    writeFileSync(join(home, "a", ".apilockerrc"), "openai\n");
    expect(await findRc(deep, home)).toMatchObject({ path: join(home, "a", ".apilockerrc"), keys: ["openai"] });
    writeFileSync(join(deep, ".apilockerrc"), "nearer\n");
    expect((await findRc(deep, home))?.keys).toEqual(["nearer"]);
    expect(await findRc(home, deep)).toBeUndefined();
  });
});

describe("what sh makes of a written .env", () => {
  it("is the same for values without line breaks, so that `. ./.env` works too", () => {
    const values = ["plain", "two words", "a#b", "$HOME", "`id`", "a=b", "it's $HOME", "it's `id`", `it's "\\$(id)"`];
    const script = values.map((value, at) => `${envLine(`V${at}`, value)}\nprintf '%s\\n' "$V${at}"`).join("\n");
    expect(execFileSync("sh", ["-s"], { input: script }).toString()).toBe(`${values.join("\n")}\n`);
  });
});
