import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { bundle, Computer, ended, said } from "../support/cli.ts";
import { eventually, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream(), bundle()]);
});
afterAll(() => upstream.stop());

const SECRET = "sk-live-7Qx/Zp+41mNv==Tr09";

async function signedIn(choices = {}): Promise<{ ada: Person; computer: Computer }> {
  const [ada, computer] = [await newPerson(locker), new Computer()];
  await storeKey(ada, "openai", upstream.origin, { revealable: true, secret: SECRET });
  await computer.signIn(locker, ada, choices);
  return { ada, computer };
}

const node = (script: string) => ["--", process.execPath, "-e", script];
const withKey = (...more: string[]) => ["run", "--keys", "openai", ...more];

async function tokens(person: Person): Promise<{ name: string; revoked_at?: string }[]> {
  return (await person.api<{ items: { name: string; revoked_at?: string }[] }>("GET", "/v1/tokens")).items;
}

describe("run", () => {
  it("gives the secret to the child alone, and blots it out of what the child prints", async () => {
    const { computer } = await signedIn({ reveal: "8h" });
    const print =
      'process.stdout.write(process.env.OPENAI.slice(0,9));setTimeout(()=>{process.stdout.write(process.env.OPENAI.slice(9)+" done\\n");console.error("e "+process.env.OPENAI)},100)';
    const ran = await computer.run(withKey(...node(print)));
    expect(ran).toEqual({ code: 0, stdout: "[apilocker: masked] done\n", stderr: "e [apilocker: masked]\n" });
    const shown = node("console.log(process.env.OPENAI)");
    const bare = await computer.run(["run", "--no-mask", "--keys", "openai", ...shown]);
    expect(bare.stdout).toBe(`${SECRET}\n`);
  });

  it("finds a key by a name of before, in the variable of that name, and says on stderr what it is called now", async () => {
    const { ada, computer } = await signedIn({ reveal: "8h" });
    await ada.api("PATCH", "/v1/keys/openai", { name: "brain" });
    const told = "apilocker: openai is called brain now; the old name goes on working.\n";
    const ran = await computer.run(withKey(...node("console.log(process.env.OPENAI.length)")));
    expect(ran).toEqual({ code: 0, stdout: `${SECRET.length}\n`, stderr: told });
    const proxied = await computer.run(withKey("--proxy", ...node("console.log(process.env.OPENAI_BASE_URL)")));
    expect(proxied).toMatchObject({ code: 0, stdout: expect.stringContaining("/v1/proxy/brain"), stderr: told });
    expect(await computer.run(["get", "openai"])).toEqual({ code: 0, stdout: SECRET, stderr: told });
    expect(await computer.run(["get", "brain"])).toEqual({ code: 0, stdout: SECRET, stderr: "" });
  });

  it("does not hand the locker's own token on", async () => {
    const { computer } = await signedIn({ reveal: "8h" });
    const device = await computer.signIn(locker, await newPerson(locker));
    const env = { APILOCKER_TOKEN: device.token, APILOCKER_URL: locker.publicOrigin };
    const ran = await computer.run(["run", "--proxy", "--keys", "none", ...node("")], { env });
    expect(ran.code).toBe(1);
    writeFileSync(join(computer.cwd, ".apilockerrc"), "openai\n");
    const { computer: other } = await signedIn({ reveal: "8h" });
    const shown = await other.run(withKey(...node('console.log("APILOCKER_TOKEN" in process.env)')), { env: {} });
    expect(shown.stdout).toBe("false\n");
  });

  it("ends as the child ends: its code, 128 and the signal, 127 where there is no such command", async () => {
    const { computer } = await signedIn({ reveal: "8h" });
    const run = async (command: string[]) => (await computer.run(withKey(...command))).code;
    expect(await run(node("process.exit(7)"))).toBe(7);
    expect(await run(node('process.kill(process.pid, "SIGKILL")'))).toBe(137);
    expect(await run(["--", "no-such-command-anywhere"])).toBe(127);
    expect(await run(["--", computer.cwd])).toBe(126);
    expect((await computer.run(withKey())).code).toBe(2);
  });

  it("hands signals on, and the command's own options stay its own", async () => {
    const { computer } = await signedIn({ reveal: "8h" });
    const child = await computer.start(
      withKey(
        ...node(
          'process.on("SIGTERM",()=>{console.log("told");process.exit(3)});console.log("ready");setInterval(()=>{},1000)',
        ),
      ),
      { input: "" },
    );
    const done = ended(child);
    await said(child, /ready/, "stdout");
    child.kill("SIGTERM");
    expect(await done).toMatchObject({ code: 3, stdout: expect.stringContaining("told") });
    const help = await computer.run(withKey(process.execPath, "--help"));
    expect(help.stdout).toContain("--inspect");
  });

  it("is refused to a device that is not unlocked, with the way that needs no secret", async () => {
    const { computer } = await signedIn();
    const ran = await computer.run(withKey(...node("console.log(1)")));
    expect(ran).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("run --proxy") });
  });
});

describe("run --proxy", () => {
  it("runs the real OpenAI SDK without a secret, and the token is dead when the command has ended", async () => {
    const { ada, computer } = await signedIn();
    const key = await ada.api<{ id: string }>("POST", "/v1/keys", {
      name: "chat",
      provider: "openai",
      secret: SECRET,
      base_url: upstream.origin,
    });
    const sdk = createRequire(join(import.meta.dirname, "..", "package.json")).resolve("openai");
    const script = `
      const OpenAI = require(${JSON.stringify(sdk)});
      const client = new OpenAI();
      client.models.list().asResponse().then((answer) => {
        console.log(answer.status, process.env.OPENAI_BASE_URL);
        console.log(JSON.stringify(process.env).includes(${JSON.stringify(SECRET)}));
        console.log(process.env.OPENAI_API_KEY);
      });`;
    const ran = await computer.run(["run", "--proxy", "--keys", "chat", ...node(script)]);
    const [first, leaked, token] = ran.stdout.split("\n");
    expect(first).toBe(`200 ${locker.proxyOrigin}/v1/proxy/chat/v1`);
    expect(leaked).toBe("false");
    expect(upstream.seen.at(-1)).toMatchObject({ headers: { authorization: `Bearer ${SECRET}` } });
    const after = await fetch(`${locker.proxyOrigin}/v1/proxy/${key.id}/v1/models`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(after.status).toBe(401);
    expect((await tokens(ada))[0]?.revoked_at).toBeDefined();
  });

  it("leaves no token behind when it is killed, though nobody can catch that", async () => {
    const { ada, computer } = await signedIn();
    const child = await computer.start(
      ["run", "--proxy", "--keys", "openai", ...node('console.log("ready");setTimeout(()=>{},8000)')],
      { input: "" },
    );
    await said(child, /ready/, "stdout");
    expect((await tokens(ada))[0]?.revoked_at).toBeUndefined();
    child.kill("SIGKILL");
    await eventually(async () => (await tokens(ada))[0]?.revoked_at, 15_000);
  });

  it("gives the child's code, and a token that would end by itself within the hour", async () => {
    const { ada, computer } = await signedIn();
    const child = await computer.start(
      ["run", "--proxy", "--keys", "openai", ...node('console.log("ready");setTimeout(()=>process.exit(5),2500)')],
      { input: "" },
    );
    const done = ended(child);
    await said(child, /ready/, "stdout");
    const { items } = await ada.api<{ items: { expires_at: string }[] }>("GET", "/v1/tokens");
    expect(Date.parse(items[0]!.expires_at) - Date.now()).toBeLessThanOrEqual(3_600_000);
    expect((await done).code).toBe(5);
  });
});
