import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openerOf } from "../../src/cli/browser.ts";
import { invocationOf } from "../../src/cli/child.ts";
import { Mask } from "../../src/cli/mask.ts";
import { proxiedVariables } from "../../src/cli/run.ts";
import { ago, plain, table, widthOf } from "../../src/cli/terminal.ts";
import { frame, readFrame } from "../../src/cli/websocket.ts";

afterEach(() => vi.unstubAllEnvs());

describe("a table", () => {
  const cell = fc.string({ unit: "grapheme", maxLength: 60 });

  it("fits the terminal as long as its columns can give way", () => {
    vi.stubEnv("NO_COLOR", "1");
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell), { maxLength: 5 }),
        fc.integer({ min: 30, max: 120 }),
        (rows, columns) => {
          const lines = table(["ONE", "TWO", "THREE"], rows, columns).split("\n");
          expect(lines).toHaveLength(rows.length + 1);
          for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });

  it("is whole in a pipe", () => {
    const long = "x".repeat(500);
    expect(table(["A", "B"], [[long, "b"]], undefined)).toContain(`${long}  b`);
  });

  it("shows nothing that would steer the terminal", () => {
    const hostile = "\u001b]0;owned\u0007\u001b[2J\u202egnp.exe\nnext\rline";
    expect(plain(hostile)).toBe("gnp.exenextline");
    expect(table(["A"], [[hostile]], 80)).toBe(`A\n${plain(hostile)}`);
  });
});

it("times are said as people say them", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(ago(undefined, now)).toBe("never");
  expect(ago("2025-12-31T23:59:30Z", now)).toBe("now");
  expect(ago("2025-12-31T23:00:00Z", now)).toBe("1 h ago");
  expect(ago("2026-01-31T00:00:00Z", now)).toBe("in 30 d");
});

describe("masking", () => {
  it("blots a secret out however the output is cut, and changes nothing else", () => {
    const secret = "sk-live-7Qx/Zp+41mNv==Tr09";
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constant(secret), fc.constant(secret.slice(0, 9)))),
        fc.array(fc.nat(60)),
        (parts, cuts) => {
          const whole = Buffer.from(parts.join(""));
          const mask = new Mask([secret]);
          const out: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            out.push(mask.push(whole.subarray(at, at + cut)));
            at += cut;
          }
          out.push(mask.push(whole.subarray(at)), mask.flush());
          expect(Buffer.concat(out).toString()).toBe(whole.toString().replaceAll(secret, "[apilocker: masked]"));
        },
      ),
    );
  });

  it("knows how programs spell secrets: JSON, URLs, base64", () => {
    const secret = 'a"b/c d+e\\f';
    const mask = new Mask([secret]);
    const said = [JSON.stringify(secret), encodeURIComponent(secret), Buffer.from(secret).toString("base64")].join(" ");
    const out = mask.push(Buffer.from(said)).toString() + mask.flush().toString();
    expect(out).not.toContain("b/c");
    expect(out).not.toContain(encodeURIComponent(secret));
    expect(out).not.toContain(Buffer.from(secret).toString("base64").replace(/=+$/, ""));
  });

  it("leaves what is too short alone, and bytes that are no text", () => {
    const bytes = randomBytes(10_000);
    const mask = new Mask(["abc", "a secret that is nowhere in there"]);
    expect(Buffer.concat([mask.push(bytes), mask.flush()])).toEqual(bytes);
  });
});

describe("what a command finds under run --proxy", () => {
  const proxy = "https://proxy.example";
  const key = (name: string, provider: string, sdk_path = "", ref = name) => ({
    id: `key_${name}`,
    name,
    provider,
    ref,
    sdk_path,
  });

  it("is the proxy's address, with the SDK's own path, and the token, under the names that SDKs read", () => {
    const variables = proxiedVariables(
      [key("openai", "openai", "/v1"), key("claude", "anthropic")],
      proxy,
      "alk_app_t",
    );
    expect(variables).toMatchObject({
      OPENAI_BASE_URL: "https://proxy.example/v1/proxy/openai/v1",
      OPENAI_API_KEY: "alk_app_t",
      ANTHROPIC_BASE_URL: "https://proxy.example/v1/proxy/claude",
      ANTHROPIC_API_KEY: "alk_app_t",
      CLAUDE_BASE_URL: "https://proxy.example/v1/proxy/claude",
      CLAUDE_API_KEY: "alk_app_t",
      APILOCKER_PROXY_URL: "https://proxy.example/v1/proxy",
    });
  });

  it("is a provider's first key, where there are two, and each under its own name", () => {
    const variables = proxiedVariables(
      [key("OPENAI_API_KEY", "openai", "/v1"), key("openai@test", "openai", "/v1")],
      proxy,
      "t",
    );
    expect(variables.OPENAI_BASE_URL).toBe("https://proxy.example/v1/proxy/OPENAI_API_KEY/v1");
    expect(variables.OPENAI_TEST_BASE_URL).toBe("https://proxy.example/v1/proxy/openai%40test/v1");
  });
});

describe("other programs", () => {
  it("get a page's address as one argument, on every system", () => {
    const url = "https://locker.example/?a=1&calc.exe";
    expect(openerOf(url, "linux", {})).toEqual(["xdg-open", [url]]);
    expect(openerOf(url, "darwin", {})).toEqual(["open", [url]]);
    expect(openerOf(url, "win32", {})).toEqual(["rundll32", ["url.dll,FileProtocolHandler", url]]);
    expect(openerOf(url, "linux", { BROWSER: "/bin/lynx" })).toEqual(["/bin/lynx", [url]]);
  });

  it("are started with their arguments as they are", () => {
    expect(invocationOf("npm", ["run", "x y"], "linux", {})).toEqual({
      program: "npm",
      args: ["run", "x y"],
      verbatim: false,
    });
  });
});

describe("other programs on Windows", () => {
  const env = {
    Path: 'C:\\Windows;"C:\\Program Files\\nodejs";D:\\tools',
    PATHEXT: ".COM;.EXE;.BAT;.CMD",
    ComSpec: "C:\\cmd.exe",
  };
  const files = new Set([
    "C:\\Program Files\\nodejs\\npm.cmd",
    "C:\\Program Files\\nodejs\\node.exe",
    "D:\\tools\\node.exe",
    "x.cmd",
  ]);
  const started = (command: string, ...args: string[]) =>
    invocationOf(command, args, "win32", env, (path) => files.has(path));

  it("are looked for in the folders of PATH, with the endings of PATHEXT, and never where one happens to be", () => {
    expect(started("node", "a b")).toEqual({
      program: "C:\\Program Files\\nodejs\\node.exe",
      args: ["a b"],
      verbatim: false,
    });
    expect(started("D:\\tools\\node.exe").program).toBe("D:\\tools\\node.exe");
    expect(started("x").program).toBe("x");
  });

  it("are handed to cmd as one line that it cannot misread, where they are batch files", () => {
    const { program, args, verbatim } = started("npm", "run", "x y", "100%&calc");
    expect({ program, verbatim, switches: args.slice(0, 3) }).toEqual({
      program: "C:\\cmd.exe",
      verbatim: true,
      switches: ["/d", "/s", "/c"],
    });
    expect(args[3]).toMatch(/^"C:\\Program\^ Files\\nodejs\\npm\.cmd .*"$/);
    expect(args[3]?.slice(1, -1).replace(/\^./g, "")).not.toMatch(/[&%"]/);
    expect(() => started("npm", "two\r\nlines")).toThrow("line break");
  });
});

describe("frames of a WebSocket", () => {
  it("that we write are masked and read back", () => {
    const written = frame(9, Buffer.from("hello"));
    expect(written.readUInt8(1) & 0x80).toBe(0x80);
    const mask = written.subarray(2, 6);
    expect(Buffer.from(written.subarray(6).map((byte, at) => byte ^ (mask[at % 4] ?? 0))).toString()).toBe("hello");
  });

  it.each([5, 125, 126, 65_535, 65_536])("of %i bytes are read once they are whole", (length) => {
    const payload = randomBytes(length);
    const head =
      length < 126
        ? Buffer.from([0x81, length])
        : length < 65_536
          ? Buffer.from([0x81, 126, length >> 8, length & 255])
          : Buffer.concat([Buffer.from([0x81, 127]), bigEndian(length)]);
    const whole = Buffer.concat([head, payload, Buffer.from([0x81])]);
    expect(readFrame(whole)).toMatchObject({ opcode: 1, final: true, size: head.length + length });
    expect(readFrame(whole)?.payload).toEqual(payload);
    expect(readFrame(whole.subarray(0, head.length + length - 1))).toBeUndefined();
  });

  function bigEndian(length: number): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(length));
    return bytes;
  }
});
