import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import type { Person } from "../../src/local/person.ts";
import { Computer } from "../support/cli.ts";
import { newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

async function signedIn(choices = {}): Promise<{ ada: Person; computer: Computer }> {
  const [ada, computer] = [await newPerson(locker), new Computer()];
  await computer.signIn(locker, ada, choices);
  return { ada, computer };
}

type Items<T> = { items: T[] };

describe("what went wrong", () => {
  it("is said with what to do next: how a command is called, where a secret goes, what is there", async () => {
    const { ada, computer } = await signedIn({ reveal: "15m" });
    await storeKey(ada, "shown", upstream.origin, { revealable: true });
    await computer.json(["store", "openai"], { input: "sk-first-0123456789" });
    const said = async (...args: string[]) => (await computer.here(args)).stderr;
    const again = await computer.run(["store", "openai"], { input: "sk-second-0123456789" });
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("apilocker rotate openai") });
    const typed = await said("store", "openai", "sk-typed-0123456789");
    expect(typed).toContain("a secret is no argument");
    expect(typed).not.toContain("sk-typed");
    expect(await said("tokens", "create", "app")).toContain("(see: apilocker tokens create --help)");
    expect(await said("store", "mine", "--provider", "custom")).toContain("--base-url https://");
    expect(await said("run", "--proxy", "--keys", "openai,opnai", "--", "true")).toContain('There is no key "opnai".');
    expect(await said("run", "--keys", "openai", "--", "true")).toContain("run --proxy --keys");
    expect(await said("tokens", "show", "nothing")).toContain("apilocker tokens list");
    expect(await said("import", "nowhere.env")).toContain("There is no file nowhere.env");
    // What npm has by the name of gh is somebody else's program.
    const gh = await computer.here(["sync", "github", "--keys", "shown"], { env: { PATH: computer.cwd } });
    expect(gh).toMatchObject({ code: 1, stderr: expect.stringContaining("https://cli.github.com") });
    expect(await said("activity", "--action", "nothing.at_all")).toContain("Nothing on record is like that.");
  });
});

describe("keys", () => {
  it("are stored from a pipe, shown without their secret, renamed, paused, rotated and deleted", async () => {
    const { ada, computer } = await signedIn();
    const added = await computer.json(["keys", "add", "mine", "--base-url", upstream.origin, "--tag", "a"], {
      input: "sk-first-0123456789\n",
    });
    expect(added).toMatchObject({ name: "mine", provider: "custom", tags: ["a"] });
    const listed = await computer.here(["list"]);
    expect(listed.stdout).toMatch(/NAME\s+PROVIDER[\s\S]*mine\s+custom\s+live\s+a/);
    expect(await computer.json(["list", "--tag", "none"])).toEqual({ items: [] });
    expect(await computer.json(["list", "--tag", "none", "--tag", "a"])).toMatchObject({ items: [{ name: "mine" }] });
    expect((await computer.here(["keys", "show", "mine"])).stdout).toContain(upstream.origin);
    await computer.json(["rename", "mine", "ours"]);
    await computer.json(["pause", "mine"]);
    expect((await computer.json(["keys", "show", "ours"])).paused).toBe(true);
    await computer.json(["resume", "ours"]);
    expect(await computer.json(["rotate", "ours"], { input: "sk-second-0123456789" })).toMatchObject({ version: 2 });
    expect(await computer.json(["keys", "test", "ours", "--path", "/ping"])).toMatchObject({ ok: true, status: 200 });
    expect(upstream.seen.at(-1)?.headers.authorization).toBe("Bearer sk-second-0123456789");
    expect(await computer.here(["delete", "ours"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--yes"),
    });
    expect(await computer.json(["delete", "ours", "--yes"])).toHaveProperty("streams_cut", 0);
    expect((await ada.api<Items<object>>("GET", "/v1/keys")).items).toEqual([]);
  });

  it("are found by provider, kind, tag and a piece of their name, under keys and at the top", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "two", upstream.origin, { provider: "openai" });
    await storeKey(ada, "one", upstream.origin, { tags: ["x"] });
    const names = async (args: string[]) =>
      (await computer.json<Items<{ name: string }>>(args)).items.map(({ name }) => name).sort();
    expect(await names(["keys", "list"])).toEqual(["one", "two"]);
    expect(await names(["keys", "list", "--provider", "openai"])).toEqual(["two"]);
    // The kind narrows what is counted: the newest key is of another.
    expect(await names(["list", "--category", "llm", "--limit", "1"])).toEqual(["two"]);
    expect(await names(["list", "--search", "on"])).toEqual(["one"]);
    expect(await names(["list", "--limit", "1"])).toHaveLength(1);
    expect((await computer.here(["providers"])).stdout).toMatch(/^ID\s+NAME[\s\S]*openai\s+OpenAI\s+llm/);
  });

  it("take everything that can be said of them, and keys does what the same word at the top does", async () => {
    const { ada, computer } = await signedIn({ reveal: "8h" });
    const words =
      "store own --provider custom --header x-api-key --note mine --expires 12h --revealable --scrub --base-url".split(
        " ",
      );
    const stored = await computer.json([...words, upstream.origin], { input: "sk-first-0123456789" });
    expect(stored).toMatchObject({ note: "mine", revealable: true, scrub: true, placement: { in: "header" } });
    expect(Date.parse(String(stored.expires_at)) - Date.now()).toBeLessThanOrEqual(43_200_000);
    const asked = await computer.json(["store", "asked", "--base-url", upstream.origin, "--query", "token"], {
      input: "sk-query-0123456789",
    });
    expect(asked).toMatchObject({ placement: { in: "query", name: "token" } });
    const overlapping = ["keys", "rotate", "own", "--overlap", "10m"];
    expect(await computer.json(overlapping, { input: "sk-second-0123456789" })).toMatchObject({ version: 2 });
    expect(await computer.here(["keys", "get", "own"])).toMatchObject({ code: 0, stdout: "sk-second-0123456789" });
    await computer.json(["keys", "rename", "own", "ours"]);
    await computer.json(["keys", "pause", "ours"]);
    await computer.json(["keys", "resume", "ours"]);
    await storeKey(ada, "pair", upstream.origin, {
      provider: "twilio",
      secret: undefined,
      fields: { username: "AC1", password: "old-0123456789" },
      revealable: true,
    });
    expect((await computer.here(["get", "pair", "--field", "password"])).stdout).toBe("old-0123456789");
    expect(JSON.parse((await computer.here(["get", "pair"])).stdout)).toHaveProperty("username", "AC1");
    expect(await computer.here(["get", "pair", "--field", "other"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("username, password"),
    });
    await storeKey(ada, "one", upstream.origin, {
      secret: undefined,
      placement: { in: "headers", headers: { "x-session": "s {session}" } },
      fields: { session: "first-0123456789" },
      revealable: true,
    });
    expect(await computer.json(["rotate", "one"], { input: "next-0123456789" })).toMatchObject({ version: 2 });
    expect((await computer.here(["get", "one"])).stdout).toBe("next-0123456789");
    await computer.json(["keys", "delete", "ours", "--yes"]);
  });

  it("that a provider grants are connected in the browser, and a page takes the next secret", async () => {
    const { ada, computer } = await signedIn();
    const placement = {
      in: "oauth",
      authorize_url: `${upstream.origin}/auth`,
      token_url: `${upstream.origin}/token`,
      scopes: "read",
    };
    const fields = { client_id: "us", client_secret: "ours-0123456789" };
    await storeKey(ada, "account", upstream.origin, { secret: undefined, placement, fields });
    const { stderr, code } = await computer.here(["keys", "connect", "account", "--no-browser"]);
    expect(code).toBe(0);
    const [, url = ""] = /Connect it at (\S+)/.exec(stderr) ?? [];
    expect(await (await ada.fetch(url)).text()).toContain(new URL(upstream.origin).host);
    const rotating = ["rotate", "account", "--field", "client_secret"];
    expect(await computer.json(rotating, { input: "new-0123456789" })).toMatchObject({ version: 2 });
    await storeKey(ada, "plain", upstream.origin);
    expect(await computer.here(["keys", "connect", "plain"])).toMatchObject({ code: 1 });
    const page = (await computer.here(["keys", "entry-link", "plain"])).stdout.trim();
    expect(await (await ada.fetch(page)).text()).toContain(new URL(upstream.origin).host);
  });

  it("take no secret as an argument, and none that is empty", async () => {
    const { computer } = await signedIn();
    for (const wrong of [
      ["store", "openai", "sk-x"],
      ["store", "openai", "--key", "sk-x"],
      ["store", "openai", "--key=sk-x"],
    ]) {
      const told = await computer.here(wrong);
      expect(told).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(/^error: /) });
      const { code, stderr } = await computer.here([...wrong, "--json"]);
      expect({ code, told: JSON.parse(stderr) as object }).toMatchObject({
        code: 2,
        told: { error: { code: "usage" } },
      });
      expect(told.stderr + stderr).not.toContain("sk-x");
    }
    expect(await computer.run(["store", "openai"], { input: "\n" })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("empty"),
    });
  });

  it("are never what a URL reads as a way, and what is wrong with a name is said once", async () => {
    const { computer } = await signedIn();
    for (const name of ["", ".", ".."])
      expect(await computer.here(["keys", "show", name])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`nothing called "${name}"`),
      });
    const { stderr } = await computer.run(["store", "a b", "--provider", "openai"], { input: "sk-0123456789" });
    expect(stderr.match(/name: must be/g)).toHaveLength(1);
  });

  it("of several fields are piped in as JSON", async () => {
    const { computer } = await signedIn();
    const input = JSON.stringify({ username: "AC1", password: "secret-0123456789" });
    expect(await computer.json(["store", "twilio"], { input })).toMatchObject({ name: "twilio", provider: "twilio" });
  });

  it("are asked for on a terminal, without being shown", async () => {
    const { ada, computer } = await signedIn();
    const { code, stdout } = await computer.typing(["store", "groq"], "The secret of groq", "gsk_typed_0123456789\r");
    expect(stdout).toContain("Stored");
    expect(stdout).not.toContain("gsk_typed");
    expect(code).toBe(0);
    expect((await ada.api<Items<{ name: string }>>("GET", "/v1/keys")).items.map(({ name }) => name)).toEqual(["groq"]);
  });
});

describe("a secret of several fields", () => {
  it("is asked for field by field on a terminal, and an OAuth credential's may stay as they are", async () => {
    const { ada, computer } = await signedIn();
    const aws = await computer.answering(
      ["store", "storage", "--provider", "aws", "--base-url", "https://s3.eu-central-1.amazonaws.com"],
      [
        ["access_key_id of storage", "AKIA0123456789ABCDEF\r"],
        ["secret_access_key of storage", "wJalrXUtnFEMI/K7MDENG\r"],
        ["session_token of storage", "\r"],
      ],
    );
    expect(aws).toMatchObject({ code: 0, stdout: expect.stringContaining("Stored") });
    expect(aws.stdout).not.toMatch(/AKIA|wJalr/);
    await ada.api("POST", "/v1/keys", {
      name: "account",
      provider: "spotify-oauth",
      fields: { client_id: "c", client_secret: "s" },
    });
    const rotated = await computer.answering(
      ["rotate", "account"],
      [
        ["client_id of account", "\r"],
        ["client_secret of account", "another-secret\r"],
        ["refresh_token of account", "\r"],
      ],
    );
    expect(rotated).toMatchObject({ code: 0, stdout: expect.stringContaining("version 2") });
  });
});

describe("import", () => {
  it("shows what it would do, stores what is new, and loses nothing that is there", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "GROQ_API_KEY", upstream.origin);
    const file = join(computer.cwd, ".env");
    const text = "OPENAI_API_KEY=sk-imported-0123456789\nGROQ_API_KEY=gsk_new\nDATABASE_URL=postgres://x\nEMPTY=\n";
    writeFileSync(file, text);
    const dry = await computer.here(["import", "--dry-run"]);
    expect(dry.stderr).toMatch(/OPENAI_API_KEY\s+openai\s+new/);
    expect(dry.stderr).toMatch(/GROQ_API_KEY\s+groq\s+is there already/);
    expect(dry.stderr + dry.stdout).not.toContain("sk-imported");
    const { items } = await computer.json<Items<{ name: string; done: string }>>(["import", "--yes"]);
    expect(items).toEqual([
      { name: "OPENAI_API_KEY", done: "stored" },
      { name: "GROQ_API_KEY", done: "skipped" },
      { name: "DATABASE_URL", done: "skipped" },
      { name: "EMPTY", done: "skipped" },
    ]);
    expect(readFileSync(file, "utf8")).toBe(text);
    const keys = (await ada.api<Items<{ name: string; version: number; provider: string }>>("GET", "/v1/keys")).items;
    expect(keys.map(({ name, version, provider }) => `${name} ${provider} ${version}`).sort()).toEqual([
      "GROQ_API_KEY custom 1",
      "OPENAI_API_KEY openai 1",
    ]);
    await computer.json(["keys", "import", "--yes", "--overwrite", "--only", "GROQ_API_KEY"]);
    const rotated = await ada.api<{ version: number; id: string }>("GET", "/v1/keys/GROQ_API_KEY");
    expect(rotated.version).toBe(2);
    expect((await computer.here(["import"])).code).toBe(1);
    writeFileSync(join(computer.cwd, "more"), "GITHUB_TOKEN=ghp_0123456789");
    await computer.json(["import", "more", "--yes", "--tag", "ci", "--revealable"]);
    expect(await ada.api("GET", "/v1/keys/GITHUB_TOKEN")).toMatchObject({ tags: ["ci"], revealable: true });
  });
});

describe("sync", () => {
  /** A tool that writes down how it was called. */
  function fake(computer: Computer, name: string, answer: string): () => { args: string[]; input: string }[] {
    const folder = join(computer.cwd, "node_modules", ".bin");
    mkdirSync(folder, { recursive: true });
    const log = join(computer.home, `${name}.log`);
    writeFileSync(
      join(folder, name),
      `#!${process.execPath}\nlet input="";process.stdin.on("data",(d)=>input+=d).on("end",()=>{require("fs").appendFileSync(${JSON.stringify(log)},JSON.stringify({args:process.argv.slice(2),input})+"\\n");if(process.argv.includes("list")||process.argv.includes("ls"))process.stdout.write(${JSON.stringify(answer)});});`,
    );
    chmodSync(join(folder, name), 0o755);
    return () =>
      existsSync(log)
        ? readFileSync(log, "utf8")
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line) as { args: string[]; input: string })
        : [];
  }

  it("hands values to tools through a pipe, after saying what would change, and no shell reads any of it", async () => {
    const { ada, computer } = await signedIn({ reveal: "8h" });
    await storeKey(ada, "openai", upstream.origin, { revealable: true, secret: "sk-$(touch pwned)-`id`" });
    const calls = fake(computer, "wrangler", 'hello\n[{"name":"OPENAI","type":"secret_text"}]');
    const dry = await computer.here([
      "sync",
      "wrangler",
      "--keys",
      "openai",
      "--worker",
      "w; touch pwned",
      "--dry-run",
    ]);
    expect(dry).toMatchObject({ code: 0, stdout: "", stderr: expect.stringMatching(/OPENAI\s+~ written over/) });
    expect(calls().map(({ args }) => args)).toEqual([["secret", "list", "--format=json", "--name=w; touch pwned"]]);
    expect((await computer.here(["sync", "wrangler", "--keys", "openai"])).code).toBe(2);
    expect(await computer.json(["sync", "wrangler", "--keys", "openai", "--yes"])).toMatchObject({ written: true });
    const last = calls().at(-1)!;
    expect(last.args).toEqual(["secret", "bulk"]);
    expect(JSON.parse(last.input)).toEqual({ OPENAI: "sk-$(touch pwned)-`id`" });
    expect(existsSync(join(computer.cwd, "pwned"))).toBe(false);
    expect(JSON.stringify(calls().map(({ args }) => args))).not.toContain("sk-");
    const gh = fake(computer, "gh", "[]");
    await computer.json(["sync", "github", "--as", "OPENAI_API_KEY=openai", "--repo", "a/b", "--yes"]);
    expect(gh().at(-1)).toEqual({
      args: ["secret", "set", "OPENAI_API_KEY", "--repo=a/b"],
      input: "sk-$(touch pwned)-`id`",
    });
    const vercel = fake(computer, "vercel", " name  value  environments\n OTHER   Encrypted   Production\n");
    await computer.json(["sync", "vercel", "--keys", "openai", "--env", "preview", "--yes"]);
    expect(vercel().at(-1)).toEqual({
      args: ["env", "add", "OPENAI", "preview", "--force"],
      input: "sk-$(touch pwned)-`id`",
    });
  });

  it("writes a .env file that only its owner reads, and nothing when nothing changes", async () => {
    const { ada, computer } = await signedIn({ reveal: "8h" });
    await storeKey(ada, "openai", upstream.origin, { revealable: true });
    const file = join(computer.cwd, ".env");
    writeFileSync(file, "# mine\nOPENAI=old\nOTHER=1\n");
    writeFileSync(join(computer.cwd, ".apilockerrc"), "openai\n");
    await computer.json(["sync", "dotenv", "--yes"]);
    expect(readFileSync(file, "utf8")).toBe("# mine\nOPENAI=sk-test-openai-0123456789abcdef\nOTHER=1\n");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await computer.json(["sync", "dotenv"])).toMatchObject({ written: false, items: [{ change: "same" }] });
    await computer.json(["sync", "dotenv", "--file", ".env.test", "--yes"]);
    expect(readFileSync(join(computer.cwd, ".env.test"), "utf8")).toBe("OPENAI=sk-test-openai-0123456789abcdef\n");
  });

  it("writes nothing where two secrets would have one name, or a name is for none", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    await computer.signIn(locker, ada, { reveal: "8h" });
    for (const name of ["one", "two"]) await storeKey(ada, name, "http://127.0.0.1:9", { revealable: true });
    for (const wrong of [
      ["--as", "A=one", "--as", "A=two"],
      ["--as", "A=one", "--as", "B=one"],
      ["--keys", "one", "--as", "B=two"],
    ])
      expect(await computer.here(["sync", "dotenv", ...wrong, "--yes"]), wrong.join(" ")).toMatchObject({ code: 2 });
    expect(existsSync(join(computer.cwd, ".env"))).toBe(false);
  });

  it("writes no value that is empty, and none beside it: a program would run without, and nobody would know why", async () => {
    const computer = new Computer();
    const items = [
      { id: "key_1", name: "openai", version: 1, fields: { secret: "sk-0123456789" } },
      { id: "key_2", name: "github", version: 1, fields: { secret: "" } },
    ];
    const liar = await startUpstream((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ items }));
    });
    const file = join(computer.cwd, ".env");
    writeFileSync(file, "GITHUB=old\n");
    const env = { APILOCKER_URL: liar.origin, APILOCKER_TOKEN: "alk_dev_x" };
    const calls = fake(computer, "wrangler", "[]");
    for (const target of ["dotenv", "wrangler"]) {
      const ran = await computer.here(["sync", target, "--keys", "openai,github", "--yes"], { env });
      expect(ran).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("GITHUB is empty") });
    }
    expect(readFileSync(file, "utf8")).toBe("GITHUB=old\n");
    expect(calls()).toEqual([]);
    expect(liar.seen.map(({ url }) => url)).toEqual(["/v1/keys/reveal", "/v1/keys/reveal"]);
    await liar.stop();
  });
});

describe("for a project", () => {
  it("init writes which keys it needs, and env prints them for a shell", async () => {
    const { ada, computer } = await signedIn({ reveal: "8h" });
    await storeKey(ada, "openai", upstream.origin, { revealable: true, secret: "it's a secret" });
    await computer.here(["init", "--keys", "openai"]);
    expect((await computer.here(["init", "--keys", "openai"])).code).toBe(1);
    expect((await computer.here(["init", "--keys", "openai", "--force"])).code).toBe(0);
    const { stdout } = await computer.here(["env", "--format", "sh"]);
    expect(stdout).toBe("export OPENAI='it'\\''s a secret'\n");
    expect((await computer.here(["env", "--format", "fish"])).stdout).toBe("set -gx OPENAI 'it\\'s a secret'\n");
    expect((await computer.here(["env", "--format", "powershell"])).stdout).toBe("$env:OPENAI = 'it''s a secret'\n");
    expect(await computer.json(["env", "--keys", "openai"])).toEqual({ OPENAI: "it's a secret" });
  });
});

it("help tells commands by chapters, each of which has a name, and how to begin", async () => {
  const { stdout } = await new Computer().here(["--help"]);
  expect(stdout.match(/^[A-Z][a-z ]+:$/gm)).toEqual([
    "Options:",
    "Signing in:",
    "Keys:",
    "Using keys:",
    "Who is let in:",
    "What happens:",
    "This program:",
    "Begin:",
  ]);
});

it("how to update is said without asking anybody, so that it can be run as it is", async () => {
  const env = { APILOCKER_URL: "https://locker.example", APILOCKER_TOKEN: "alk_d_unused" };
  expect(await new Computer().here(["update"], { env })).toMatchObject({
    code: 0,
    stdout: "npm install --global https://locker.example/apilocker.tgz\n",
  });
  // Whoever is signed in nowhere has no locker to be told of.
  expect(await new Computer().here(["update"])).toMatchObject({ code: 3, stdout: "" });
});

describe("shells", () => {
  it("bash completes commands and options", async () => {
    const { stdout } = await new Computer().here(["completion", "bash"]);
    const complete = (line: string) => {
      const words = line.split(" ");
      const script = `${stdout}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _apilocker; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return spawnSync("bash", ["-c", script]).stdout.toString().trim().split("\n");
    };
    expect(complete("apilocker to")).toEqual(["tokens", "token"]);
    expect(complete("apilocker keys ro")).toEqual(["rotate"]);
    expect(complete("apilocker --profile x run --pro")).toContain("--proxy");
    expect(complete("apilocker mcp con")).toEqual(["config"]);
  });

  it.each(["zsh", "fish"])("%s is given a script that it takes", async (shell) => {
    const computer = new Computer();
    const { code, stdout } = await computer.here(["completion", shell]);
    expect(code).toBe(0);
    // fish reads no script from the socket that a child of Node has for its stdin.
    writeFileSync(join(computer.cwd, "script"), stdout);
    const { error, status } = spawnSync(shell, ["-n", join(computer.cwd, "script")]);
    if (error === undefined) expect(status).toBe(0);
    expect(stdout).toContain("entry-link");
  });

  it("colours are for terminals that want them, and a table is as wide as the terminal at most", async () => {
    const { ada, computer } = await signedIn();
    const long = `${"k".repeat(60)}@${"e".repeat(3)}`;
    await storeKey(ada, long, "https://api.example.com", { tags: ["t".repeat(40), "u".repeat(40)] });
    const piped = await computer.here(["list"]);
    expect(piped.stdout).not.toContain("\u001b[");
    expect(piped.stdout).toContain(long);
    const shown = await computer.typing(["list"], "nothing is asked", "");
    expect(shown.stdout).toContain("\u001b[1mNAME");
    const plainly = await computer.typing(["list"], "nothing is asked", "", { NO_COLOR: "1" });
    expect(plainly.stdout).toContain("NAME");
    expect(plainly.stdout).not.toContain("\u001b[");
    // The test's terminal has a hundred columns.
    for (const line of plainly.stdout.split(/\r?\n/)) expect(line.length).toBeLessThanOrEqual(100);
    expect(plainly.stdout).toContain("…");
    // What takes long turns while it does, until one has had enough.
    const waited = await computer.typing(["unlock", "--no-browser"], "Waiting for your answer", "\u0003");
    expect(waited).toMatchObject({ code: 130, stdout: expect.stringMatching(/[◐◓◑◒]/u) });
  });
});
