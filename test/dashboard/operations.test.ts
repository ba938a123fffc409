import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { OPERATIONS, type Operation } from "../../src/api/schema.ts";

const DASHBOARD = resolve(import.meta.dirname, "../../src/dashboard");

/** What a session may do and the dashboard has no place for, and why. */
const ELSEWHERE: Record<string, string> = {
  "POST /keys/reveal": "many at once is for programs; a person looks at one",
  "POST /keys/{key}/entry-link": "hands a person from a program to the browser; here they are already in it",
  "GET /me/identities": "`GET /me` tells them too",
  "GET /devices/{id}": "the list tells the same",
  "GET /approvals/{id}": "for whoever waits for one answer; a person sees all that are open",
  "GET /live": "a socket, opened by its address in data/live.ts",
};

it("every operation that a session may call has its place in the dashboard, or a reason for having none", () => {
  const sources = readdirSync(DASHBOARD, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name));
  const text = sources.map((name) => readFileSync(join(DASHBOARD, name), "utf8")).join("\n");
  const homeless = Object.values(OPERATIONS as Record<string, Operation>)
    .filter(({ may }) => may.some((who) => who === "session" || who === "session_recent"))
    .map(({ method, path }) => `${method.toUpperCase()} ${path}`)
    .filter((route) => !text.includes(`"${route}"`));
  expect(homeless.toSorted()).toEqual(Object.keys(ELSEWHERE).toSorted());
  expect(text).toContain("/v1/live");
});
