import { readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { signInElsewhere } from "../../src/cli/sign_in.ts";
import { Computer, ended, said } from "../support/cli.ts";
import { choose, formsIn, submit } from "../support/device.ts";
import { eventually, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream } from "../support/upstream.ts";

const locker = await usualLocker();

type Config = {
  current: string;
  profiles: Record<string, { url: string; token: string; device_id: string; account: string }>;
};
const configOf = ({ config }: Computer) => JSON.parse(readFileSync(config, "utf8")) as Config;
const status = (token: string) =>
  fetch(`${locker.publicOrigin}/v1/me`, { headers: { authorization: `Bearer ${token}` } }).then(
    (answer) => answer.status,
  );

describe("login", () => {
  it("without a browser shows a code, waits, says whose account it joined, and keeps the token where only its owner can read it", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    const { code, stdout, stderr } = await computer.login(locker, ada, { name: "ada's server" });
    expect(code).toBe(0);
    expect(stdout).toBe("");
    expect(stderr).toContain(`Open ${locker.publicOrigin}/device`);
    expect(stderr).toMatch(/Signed in at .* as ada-.*@example\.com/);
    const { token, device_id } = configOf(computer).profiles.default!;
    expect(token).toMatch(/^alk_dev_/);
    expect(stderr).not.toContain(token);
    expect(statSync(computer.config).mode & 0o777).toBe(0o600);
    expect(statSync(`${computer.home}/.apilocker`).mode & 0o777).toBe(0o700);
    const me = await computer.json<{ account: string; device: { name: string; id: string } }>(["whoami"]);
    expect(me).toMatchObject({
      account: expect.stringContaining("ada-"),
      device: { name: "ada's server", id: device_id },
    });
  });

  it("with a browser hears the answer on a port of its own", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    const child = await computer.start(["login", "--url", locker.publicOrigin, "--name", "desk", "--no-browser"], {
      input: "",
    });
    const done = ended(child);
    const [, url = ""] = await said(child, /Opening (\S+)/);
    const [approve] = formsIn(await (await ada.fetch(url)).text());
    const back = (await submit(ada, choose(approve!, { reveal: "8h" }))).headers.get("location") ?? "";
    expect(new URL(back).hostname).toBe("127.0.0.1");
    const forged = new URL(back);
    forged.searchParams.set("state", "x".repeat(22));
    expect((await fetch(forged)).status).toBe(404);
    expect(await (await fetch(back)).text()).toContain("You are signed in.");
    expect((await done).code).toBe(0);
    expect((await computer.json<{ device: { name: string } }>(["whoami"])).device.name).toBe("desk");
  });

  it("believes no answer from another server, and ends when the person says no", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    const begin = async () => {
      const child = await computer.start(["register", "--url", locker.publicOrigin], { input: "" });
      const done = ended(child);
      const [, url = ""] = await said(child, /Opening (\S+)/);
      const [approve, deny] = formsIn(await (await ada.fetch(url)).text());
      return { done, approve: approve!, deny: deny! };
    };
    const first = await begin();
    const mixed = new URL((await submit(ada, first.approve)).headers.get("location") ?? "");
    mixed.searchParams.set("iss", "https://evil.example");
    await fetch(mixed);
    expect(await first.done).toMatchObject({ code: 1, stderr: expect.stringContaining("another server") });
    const second = await begin();
    await fetch((await submit(ada, second.deny)).headers.get("location") ?? "");
    expect(await second.done).toMatchObject({ code: 1, stderr: expect.stringContaining("denied") });
    expect((await computer.here(["whoami"])).code).toBe(3);
  });

  it("keeps sign-ins apart by profile, and never sends one's token to another's address", async () => {
    const [ada, eve, computer] = [await newPerson(locker, "ada"), await newPerson(locker, "eve"), new Computer()];
    await computer.signIn(locker, ada, {}, "work");
    await computer.signIn(locker, eve, {}, "home");
    const account = async (more: string[], env = {}) =>
      (await computer.json<{ account: string }>(["whoami", ...more], { env })).account;
    expect(await account(["--profile", "work"])).toContain("ada-");
    expect(await account([], { APILOCKER_PROFILE: "home" })).toContain("eve-");
    const elsewhere = await computer.here(["whoami", "--profile", "work"], {
      env: { APILOCKER_URL: "http://localhost:9" },
    });
    expect(elsewhere).toMatchObject({ code: 2, stderr: expect.stringContaining("belongs to") });
    expect((await computer.here(["profiles"])).stdout).toMatch(/^ {2}work\s.*\n\* home\s/);
    const plain = await new Computer().here(["login", "--url", "http://locker.example"]);
    expect(plain).toMatchObject({ code: 2, stderr: expect.stringContaining("not encrypted") });
  });

  it("again is refused while it lasts, and with --force ends the old sign-in", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    await computer.signIn(locker, ada);
    const old = configOf(computer).profiles.default!.token;
    expect(await computer.here(["login", "--headless", "--url", locker.publicOrigin])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("--force"),
    });
    // Where nobody can say whether it lasts, that is said, with what to do.
    const away = new Computer();
    await away.signIn(locker, ada);
    writeFileSync(away.config, readFileSync(away.config, "utf8").replace(locker.publicOrigin, "http://127.0.0.1:9"));
    expect(await away.here(["login", "--headless", "--url", locker.publicOrigin])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("--force"),
    });
    // A new sign-in that fails costs the old one nothing.
    expect((await computer.here(["login", "--force", "--url", "http://127.0.0.1:9"])).code).toBe(4);
    expect(await status(old)).toBe(200);
    expect((await computer.login(locker, ada, {}, ["--force"])).code).toBe(0);
    expect(await status(old)).toBe(401);
    expect(await status(configOf(computer).profiles.default!.token)).toBe(200);
  });

  it("can come from the environment instead", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    await computer.signIn(locker, ada);
    const { token } = configOf(computer).profiles.default!;
    const other = new Computer();
    const env = { APILOCKER_TOKEN: token, APILOCKER_URL: locker.publicOrigin };
    expect((await other.run(["whoami"], { env })).code).toBe(0);
    expect((await other.here(["whoami"], { env: { APILOCKER_TOKEN: token } })).code).toBe(2);
    const wrong = await other.here(["whoami"], { env: { ...env, APILOCKER_TOKEN: "alk_dev_nonsense" } });
    expect(wrong).toMatchObject({ code: 3, stderr: expect.stringContaining("unset it") });
    expect(await other.here(["logout"], { env })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("APILOCKER_TOKEN"),
    });
  });
});

describe("logout", () => {
  it("revokes the token and forgets it", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    await computer.signIn(locker, ada);
    const { token } = configOf(computer).profiles.default!;
    expect((await computer.run(["logout"])).code).toBe(0);
    expect(await status(token)).toBe(401);
    expect(configOf(computer).profiles).toEqual({});
    expect(await computer.here(["list"])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("apilocker login"),
    });
  });

  it("works for a device that was revoked elsewhere, and here alone where it is told so", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    await computer.signIn(locker, ada);
    await ada.api("DELETE", `/v1/devices/${configOf(computer).profiles.default!.device_id}`);
    expect((await computer.here(["list"])).code).toBe(3);
    expect((await computer.here(["logout"])).code).toBe(0);
    expect(configOf(computer).profiles).toEqual({});
    const { token } = await computer.signIn(locker, ada);
    expect((await computer.here(["logout", "--local"])).code).toBe(0);
    expect(configOf(computer).profiles).toEqual({});
    expect(await status(token)).toBe(200);
  });
});

describe("unlock", () => {
  it("waits for the person's answer in the browser, and get works from then on", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    await storeKey(ada, "open", "https://api.example.com", { revealable: true });
    await computer.signIn(locker, ada);
    const locked = await computer.here(["get", "open"]);
    expect(locked).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("apilocker unlock") });
    const child = await computer.start(["unlock", "--no-browser"], { input: "" });
    const done = ended(child);
    const [, url = ""] = await said(child, /Opening (\S+)/);
    const [approve] = formsIn(await (await ada.fetch(url)).text());
    await submit(ada, approve!);
    expect((await done).code).toBe(0);
    expect(await computer.here(["get", "open"])).toMatchObject({ code: 0, stdout: "sk-test-open-0123456789abcdef" });
    expect((await computer.here(["lock"])).code).toBe(0);
    expect((await computer.here(["get", "open"])).code).toBe(1);
  });

  it("ends when the person says no", async () => {
    const [ada, computer] = [await newPerson(locker), new Computer()];
    await computer.signIn(locker, ada);
    const child = await computer.start(["unlock"], { input: "" });
    const done = ended(child);
    const [, url = ""] = await said(child, /Opening (\S+)/);
    const [, deny] = formsIn(await (await ada.fetch(url)).text());
    deny!.fields.set("deny", "1");
    await submit(ada, deny!);
    expect(await done).toMatchObject({ code: 1, stderr: expect.stringContaining("denied") });
  });
});

it("several at once write one configuration without losing each other's sign-ins", async () => {
  const computer = new Computer();
  const people = await Promise.all(Array.from({ length: 3 }, () => newPerson(locker)));
  const runs = await Promise.all(
    people.map((person, at) => computer.login(locker, person, {}, ["--profile", `p${at}`])),
  );
  expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
  await eventually(async () => Object.keys(configOf(computer).profiles).length === 3);
});

it("an answer that breaks off is a locker that cannot be reached; one in other words is none of a locker", async () => {
  const other = await startUpstream((_request, response) => void response.end("<html>Hello</html>"));
  const env = { APILOCKER_URL: other.origin, APILOCKER_TOKEN: "alk_dev_x" };
  const page = await new Computer().here(["list"], { env });
  expect(page).toMatchObject({ code: 1, stderr: expect.stringContaining("not as a locker does") });
  other.answerWith((_request, response) => {
    response.writeHead(200, { "content-length": "99" }).write("{");
    setImmediate(() => response.destroy());
  });
  expect(await new Computer().here(["list"], { env })).toMatchObject({ code: 4 });
  await other.stop();
});

describe("whoever waits for a person goes on asking when the network fails meanwhile", () => {
  /** A server that breaks off the first three requests for what is asked again and again. */
  async function unsteady(asked: string, answer: object, first: object): Promise<string> {
    let broken = 0;
    const server = await startUpstream(({ url }, response) => {
      if (url === asked && broken++ < 3) return void response.destroy();
      response.end(JSON.stringify(url === asked ? answer : first));
    });
    onTestFinished(() => server.stop());
    return server.origin;
  }

  it("at a sign-in (RFC 8628 §3.5)", async () => {
    const login = { device_code: "d", user_code: "U", verification_uri: "v", expires_in: 60, interval: 0.01 };
    const tokens = { access_token: "alk_dev_x", device_id: "dev_1" };
    const issuer = await unsteady("/token", tokens, login);
    const [token_endpoint, device_authorization_endpoint] = [`${issuer}/token`, `${issuer}/device_authorization`];
    const server = { issuer, authorization_endpoint: "", token_endpoint, device_authorization_endpoint };
    expect(await signInElsewhere(server, { name: "laptop", platform: "Linux" }, () => {})).toEqual(tokens);
  });

  it("at an unlock", async () => {
    const reveal_until = new Date(Date.now() + 60_000).toISOString();
    const link = { url: "https://locker.example/entry/x", expires_at: reveal_until };
    const origin = await unsteady("/v1/me", { device: { reveal_until } }, link);
    const env = { APILOCKER_URL: origin, APILOCKER_TOKEN: "alk_dev_x" };
    expect(await new Computer().here(["unlock", "--json"], { env })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(reveal_until),
    });
  });
});

it("a locker that cannot be reached is told apart from a refusal", async () => {
  const env = { APILOCKER_URL: "http://127.0.0.1:9", APILOCKER_TOKEN: "alk_dev_x" };
  const { code, stderr } = await new Computer().here(["list", "--json"], { env });
  expect(code).toBe(4);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: "unreachable" } });
});
