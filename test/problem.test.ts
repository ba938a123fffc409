import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { logFault } from "../src/problem.ts";

const ROOT = resolve(import.meta.dirname, "..");
const SECRET = "sk-live-12345";

function logged(fault: unknown, more?: Record<string, string>): { event: string; fault: string; at: string[] } {
  const print = vi.spyOn(console, "error").mockImplementation(() => {});
  logFault("job_failed", fault, more);
  const lines = print.mock.calls;
  print.mockRestore();
  expect(lines).toHaveLength(1);
  const [[line]] = lines as [[string]];
  expect(line).not.toContain(SECRET);
  expect(line).not.toContain("\n");
  return JSON.parse(line) as ReturnType<typeof logged>;
}

describe("a line of the log", () => {
  it("names what went wrong and where, and nothing of what it said", () => {
    const line = logged(new TypeError(`${SECRET} is not valid JSON`), { job: "ship" });
    expect(line).toEqual({ event: "job_failed", job: "ship", fault: "TypeError", at: expect.any(Array) });
    expect(line.at.length).toBeGreaterThan(0);
    expect(line.at.length).toBeLessThanOrEqual(8);
    expect(line.at[0]).toMatch(/^at .*problem\.test\.ts:\d+:\d+\)?$/);
  });

  it("quotes no message that has lines like a stack's", () => {
    expect(logged(new Error(`x\n    at ${SECRET}\n    at ${SECRET} (a.ts:1:1)`)).at.join()).toContain(
      "problem.test.ts",
    );
  });

  it("says of what was thrown and is no error only what sort it is", () => {
    for (const thrown of [SECRET, { toString: () => SECRET }, undefined, 42])
      expect(logged(thrown)).toEqual({ event: "job_failed", fault: typeof thrown, at: [] });
  });
});

describe("what the Worker logs", () => {
  const source = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !/^(cli|local|dashboard)\//.test(name))
    .map((name) => ({ name, text: readFileSync(join(ROOT, "src", name), "utf8") }));

  it("is JSON with an event's name, wherever it is said", () => {
    for (const { name, text } of source)
      for (const [call] of text.matchAll(/console\.\w+\(.{0,30}/gs))
        expect([name, call]).toEqual([name, expect.stringMatching(/^console\.\w+\(JSON\.stringify\(\{ event\b/)]);
  });

  it("has every event that the operations page tells to be woken by", () => {
    const page = readFileSync(join(ROOT, "docs", "operations.md"), "utf8");
    const [, list = ""] = /Lines worth an alarm: ([^.]*)\./.exec(page) ?? [];
    const events = Array.from(list.matchAll(/`(\w+)`/g), ([, event]) => event);
    expect(events.length).toBeGreaterThan(5);
    for (const event of events)
      expect([event, source.some(({ text }) => text.includes(`"${event}"`))]).toEqual([event, true]);
  });
});
