import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bridgeWay, CLIENT_NAMES, nameOfClient, recipeFor } from "../../src/cli/mcp_config.ts";
import { Computer } from "../support/cli.ts";

const ADDRESS = "https://locker.example/v1/mcp";
const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "connect.md"), "utf8");

/** The rows of the page's table of clients: name, recipe, how. */
const rows = [...page.matchAll(/^\| ([^|]+) \| `([a-z][a-z-]*)` \| (.+) \| [^|]+ \|$/gm)].map(
  ([, name = "", client = "", how = ""]) => ({ name, client, how: how.replaceAll("{address}", ADDRESS) }),
);
const remote = { kind: "remote", url: ADDRESS } as const;

describe("the clients of docs/connect.md", () => {
  it("are those that there is a recipe for, by the same names", () => {
    expect(rows.map(({ client }) => client).sort()).toEqual([...CLIENT_NAMES].sort());
    for (const { name, client } of rows) expect(nameOfClient(client)).toBe(name);
  });

  it.each(rows)("$name is connected as the page says", ({ client, how }) => {
    const recipe = recipeFor(client, remote, "linux");
    if ("no" in recipe) throw new Error(recipe.no);
    expect(recipe.text).toContain(ADDRESS);
    const json = /`(\{.*\})`/.exec(how)?.[1];
    const command = /^`([a-z]+ [^`]+)`/.exec(how)?.[1];
    if (json !== undefined) expect(JSON.parse(recipe.text)).toEqual(JSON.parse(json));
    if (command !== undefined) expect(recipe.text).toBe(command);
    const [, place] = /^`?([^`]*?)(?:`[:,]| → the address)/.exec(how) ?? [];
    if (command === undefined && place !== undefined && !place.startsWith("{")) expect(recipe.where).toContain(place);
  });

  it.each(CLIENT_NAMES)("%s is told of the bridge as a program with arguments, or why it is not", (client) => {
    const recipe = recipeFor(client, bridgeWay("work", "linux"), "linux");
    if ("no" in recipe) return expect(recipe.no).toMatch(/--remote|generic/);
    expect(recipe.text).toMatch(/apilocker/);
    expect(recipe.text.replace(/[\s"',[\]]+/g, " ")).toMatch(/apilocker (args ?: )?mcp --profile work/);
    expect(recipe.where).not.toBe("");
  });
});

it("on Windows the bridge is started by cmd, since it is a batch file there, and clients keep their files elsewhere", () => {
  expect(bridgeWay(undefined, "win32")).toEqual({ kind: "bridge", command: "cmd", args: ["/c", "apilocker", "mcp"] });
  const whereOf = (client: string) => recipeFor(client, bridgeWay(undefined, "win32"), "win32");
  expect(whereOf("zed")).toMatchObject({ where: "%APPDATA%\\Zed\\settings.json" });
  expect(whereOf("goose")).toMatchObject({ where: expect.stringMatching(/^%APPDATA%\\Block\\/) });
  expect(whereOf("cursor")).toMatchObject({ where: "%USERPROFILE%\\.cursor\\mcp.json" });
  expect(bridgeWay("work", "linux").args).toEqual(["mcp", "--profile", "work"]);
});

it("mcp config prints what to write, and says where beside it", async () => {
  const computer = new Computer();
  const bridge = await computer.here(["mcp", "config", "--client", "cursor"]);
  expect(JSON.parse(bridge.stdout)).toEqual({ mcpServers: { apilocker: { command: "apilocker", args: ["mcp"] } } });
  expect(bridge.stderr).toBe("~/.cursor/mcp.json:\n");
  const env = { APILOCKER_URL: "https://locker.example", APILOCKER_TOKEN: "alk_dev_x" };
  expect(await computer.json(["mcp", "config", "--client", "codex", "--remote"], { env })).toMatchObject({
    text: `codex mcp add apilocker --url ${ADDRESS}`,
  });
  expect((await computer.here(["mcp", "config", "--client", "chatgpt"])).code).toBe(2);
  expect((await computer.here(["mcp", "config", "--client", "chatgpt", "--remote"])).code).toBe(3);
});
