import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import type { Person } from "../../src/local/person.ts";
import { bundle, Computer, ended, said } from "../support/cli.ts";
import { eventually, newPerson, startLocker, storeKey } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
beforeAll(async () => {
  [locker, upstream] = await Promise.all([startLocker(), startUpstream(), bundle()]);
});
afterAll(() => Promise.all([locker.stop(), upstream.stop()]));

async function signedIn(choices = {}): Promise<{ ada: Person; computer: Computer }> {
  const [ada, computer] = [await newPerson(locker), new Computer()];
  await computer.signIn(locker, ada, choices);
  return { ada, computer };
}

type Items<T> = { items: T[] };

describe("keys", () => {
  it("are stored from a pipe, shown without their secret, renamed, paused, rotated and deleted", async () => {
    const { ada, computer } = await signedIn();
    const added = await computer.json(["keys", "add", "mine", "--base-url", upstream.origin, "--tag", "a"], {
      input: "sk-first-0123456789\n",
    });
    expect(added).toMatchObject({ name: "mine", provider: "custom", tags: ["a"] });
    const listed = await computer.run(["list"]);
    expect(listed.stdout).toMatch(/NAME\s+PROVIDER[\s\S]*mine\s+custom\s+live\s+a/);
    expect(await computer.json(["list", "--tag", "none"])).toEqual({ items: [] });
    expect((await computer.run(["keys", "show", "mine"])).stdout).toContain(upstream.origin);
    await computer.json(["rename", "mine", "ours"]);
    await computer.json(["pause", "mine"]);
    expect((await computer.json(["keys", "show", "ours"])).paused).toBe(true);
    await computer.json(["resume", "ours"]);
    expect(await computer.json(["rotate", "ours"], { input: "sk-second-0123456789" })).toMatchObject({ version: 2 });
    expect(await computer.json(["keys", "test", "ours", "--path", "/ping"])).toMatchObject({ ok: true, status: 200 });
    expect(upstream.seen.at(-1)?.headers.authorization).toBe("Bearer sk-second-0123456789");
    expect(await computer.run(["delete", "ours"])).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
    expect(await computer.json(["delete", "ours", "--yes"])).toHaveProperty("streams_cut", 0);
    expect((await ada.api<Items<object>>("GET", "/v1/keys")).items).toEqual([]);
  });

  it("take no secret as an argument, and none that is empty", async () => {
    const { computer } = await signedIn();
    expect((await computer.run(["store", "openai", "--key", "sk-x"])).code).toBe(2);
    expect((await computer.run(["store", "openai", "sk-x"])).code).toBe(2);
    expect(await computer.run(["store", "openai"], { input: "\n" })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("empty"),
    });
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

describe("import", () => {
  it("shows what it would do, stores what is new, and loses nothing that is there", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "GROQ_API_KEY", upstream.origin);
    const file = join(computer.cwd, ".env");
    const text = "OPENAI_API_KEY=sk-imported-0123456789\nGROQ_API_KEY=gsk_new\nDATABASE_URL=postgres://x\nEMPTY=\n";
    writeFileSync(file, text);
    const dry = await computer.run(["import", "--dry-run"]);
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
    await computer.json(["import", "--yes", "--overwrite", "--only", "GROQ_API_KEY"]);
    const rotated = await ada.api<{ version: number; id: string }>("GET", "/v1/keys/GROQ_API_KEY");
    expect(rotated.version).toBe(2);
    expect((await computer.run(["import"])).code).toBe(1);
  });
});

describe("tokens, clients and devices", () => {
  it("are listed, found by name and by a piece of their id, and revoked", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    const made = await computer.run([
      "tokens",
      "create",
      "my app",
      "--keys",
      "k",
      "--method",
      "get",
      "--path",
      "/v1/**",
      "--expires",
      "30d",
    ]);
    expect(made.stdout).toMatch(/^alk_app_\w+\n$/);
    expect(made.stderr).toContain(`${locker.proxyOrigin}/v1/proxy`);
    const { items } = await computer.json<Items<{ id: string; policy: object }>>(["tokens", "list"]);
    expect(items[0]?.policy).toMatchObject({ methods: ["GET"], paths: ["/v1/**"] });
    expect((await computer.run(["tokens", "list"])).stdout).toMatch(/my app\s+1\s+ends in (29|30) d/);
    await computer.json(["tokens", "pause", "my app"]);
    await computer.json(["tokens", "resume", items[0]!.id.slice(-8)]);
    expect((await computer.run(["tokens", "revoke", "nothing", "--yes"])).code).toBe(1);
    await computer.json(["tokens", "revoke", "my app", "--yes"]);
    expect(await computer.json(["tokens", "list"])).toEqual({ items: [] });
    expect((await computer.run(["clients", "list"])).stderr).toContain("No client is connected");
    const other = new Computer();
    await other.signIn(locker, ada, { name: "other" });
    const devices = await computer.run(["devices", "list"]);
    expect(devices.stdout).toMatch(/laptop[\s\S]*this one|this one[\s\S]*laptop/);
    await computer.json(["devices", "rename", "other", "gone soon"]);
    await computer.json(["devices", "revoke", "gone soon", "--yes"]);
    expect((await other.run(["list"])).code).toBe(3);
  });
});

describe("what happened", () => {
  it("is shown as a table and, as it happens, line by line", async () => {
    const { ada, computer } = await signedIn();
    const past = await computer.run(["activity", "--action", "session.create"]);
    expect(past.stdout).toMatch(/^WHEN\s+WHO\s+WHAT/);
    const child = await computer.start(["activity", "-f", "--action", "key.create", "--json"], { input: "" });
    const heard = said(child, /"key_name":"fresh"/, "stdout");
    await eventually(async () => (await ada.api<Items<object>>("GET", "/v1/activity?limit=1")).items.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await storeKey(ada, "other", upstream.origin);
    await storeKey(ada, "fresh", upstream.origin);
    expect((await heard)[0]).toBeDefined();
    child.kill("SIGTERM");
  });

  it("goes on being heard until the device is revoked", async () => {
    const { ada, computer } = await signedIn();
    const child = await computer.start(["activity", "-f"], { input: "" });
    const done = ended(child);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const { items } = await ada.api<Items<{ id: string }>>("GET", "/v1/devices");
    await ada.api("DELETE", `/v1/devices/${items[0]?.id}`);
    expect(await done).toMatchObject({ code: 3, stderr: expect.stringContaining("apilocker login") });
  });

  it("doctor ends with 1 where something needs the owner", async () => {
    const { ada, computer } = await signedIn();
    expect(await computer.run(["doctor"])).toMatchObject({ code: 0, stdout: expect.stringContaining("All is well") });
    await storeKey(ada, "old", upstream.origin, { expires_at: new Date(Date.now() + 86_400_000).toISOString() });
    const { code, stdout } = await computer.run(["doctor", "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ items: [{ code: "key_expiring" }] });
  });

  it("a frozen vault says how to go on", async () => {
    const { ada, computer } = await signedIn();
    await storeKey(ada, "k", upstream.origin);
    expect((await computer.run(["freeze"])).code).toBe(2);
    expect(await computer.json(["freeze", "--yes"])).toHaveProperty("streams_cut", 0);
    expect(await computer.run(["pause", "k"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("apilocker unfreeze"),
    });
    expect((await computer.run(["alerts"])).code).toBeLessThan(2);
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
    const dry = await computer.run(["sync", "wrangler", "--keys", "openai", "--worker", "w; touch pwned", "--dry-run"]);
    expect(dry).toMatchObject({ code: 0, stdout: "", stderr: expect.stringMatching(/OPENAI\s+~ written over/) });
    expect(calls().map(({ args }) => args)).toEqual([["secret", "list", "--format=json", "--name=w; touch pwned"]]);
    expect((await computer.run(["sync", "wrangler", "--keys", "openai"])).code).toBe(2);
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
    await computer.json(["sync", "vercel", "--keys", "openai", "--yes"]);
    expect(vercel().at(-1)).toEqual({
      args: ["env", "add", "OPENAI", "production", "--force"],
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
  });
});

describe("for a project", () => {
  it("init writes which keys it needs, and env prints them for a shell", async () => {
    const { ada, computer } = await signedIn({ reveal: "8h" });
    await storeKey(ada, "openai", upstream.origin, { revealable: true, secret: "it's a secret" });
    await computer.run(["init", "--keys", "openai"]);
    expect((await computer.run(["init", "--keys", "openai"])).code).toBe(1);
    const { stdout } = await computer.run(["env", "--format", "sh"]);
    expect(stdout).toBe("export OPENAI='it'\\''s a secret'\n");
    expect((await computer.run(["env", "--format", "fish"])).stdout).toBe("set -gx OPENAI 'it\\'s a secret'\n");
    expect((await computer.run(["env", "--format", "powershell"])).stdout).toBe("$env:OPENAI = 'it''s a secret'\n");
    expect(await computer.json(["env"])).toEqual({ OPENAI: "it's a secret" });
  });
});

describe("shells", () => {
  it("bash completes commands and options", async () => {
    const { stdout } = await new Computer().run(["completion", "bash"]);
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
    const { code, stdout } = await new Computer().run(["completion", shell]);
    expect(code).toBe(0);
    const { error, status } = spawnSync(shell, ["-n"], { input: stdout });
    if (error === undefined) expect(status).toBe(0);
    expect(stdout).toContain("entry-link");
  });

  it("colours are for terminals", async () => {
    const { stdout } = await new Computer().run(["--help"], { env: { FORCE_COLOR: "" } });
    expect(stdout).not.toContain("\u001b[");
  });
});
