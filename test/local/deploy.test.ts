import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deploy, type DeployOptions } from "../../src/local/deploy.ts";
import { readSettings, ROOT, wrangler as realWrangler, type Ended } from "../../src/local/project.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "apilocker-deploy-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const HOSTS = { PUBLIC_ORIGIN: "https://locker.example", PROXY_ORIGIN: "https://proxy-of-it.test" };

/** An account at Cloudflare as wrangler shows it. Whatever it is not asked like this, it does not understand. */
function account({ signed_in = true, secrets = ["ROOT_KEYS", "TOKEN_KEYS"], namespaces = [], databases = [] }: Has) {
  const asked: string[] = [];
  const kv = [...namespaces];
  const d1 = [...databases];
  const json = (value: unknown): Ended => ({ code: 0, stdout: JSON.stringify(value), stderr: "" });
  const wrangler = async (args: readonly string[]): Promise<Ended> => {
    const line = args.join(" ");
    asked.push(line.replace(folder, ""));
    if (line === "whoami --json") return signed_in ? json({}) : { ...json({ loggedIn: false }), code: 1 };
    if (line.startsWith("secret list")) return json(secrets.map((name) => ({ name })));
    if (line === "kv namespace list") return json(kv.map((title, at) => ({ title, id: `kv-${at}` })));
    if (line === "d1 list --json") return json(d1.map((name, at) => ({ name, uuid: `d1-${at}` })));
    if (line.startsWith("kv namespace create ")) kv.push(args[3] ?? "");
    else if (line.startsWith("d1 create ")) d1.push(args[2] ?? "");
    else if (!/^(deploy|d1 migrations apply DB --remote)/.test(line)) throw new Error(`unknown: ${line}`);
    return json({});
  };
  const run = (more: DeployOptions = {}) =>
    deploy({ wrangler, environment: HOSTS, config: join(folder, "wrangler.json"), say: () => {}, ...more });
  return { asked, run };
}
type Has = { signed_in?: boolean; secrets?: string[]; namespaces?: string[]; databases?: string[] };

async function written(): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(folder, "wrangler.json"), "utf8")) as Record<string, unknown>;
}
const CHANGES = /^(kv namespace create|d1 create|d1 migrations|deploy)/;

describe("a deployment", () => {
  it("to an account that has nothing makes what is missing, migrates, and uploads what the tests ran on", async () => {
    const { asked, run } = account({});
    await run();
    expect(asked.filter((line) => CHANGES.test(line)).toSorted()).toEqual([
      "d1 create apilocker",
      "d1 migrations apply DB --remote --config /wrangler.json",
      "deploy --config /wrangler.json",
      "kv namespace create apilocker-blobs",
    ]);
    const { main, vars, routes, kv_namespaces, d1_databases } = await written();
    expect(String(main)).toMatch(/index\.js$/);
    expect(vars).toMatchObject(HOSTS);
    expect(routes).toEqual([
      { pattern: "locker.example", custom_domain: true },
      { pattern: "proxy-of-it.test", custom_domain: true },
    ]);
    expect(kv_namespaces).toEqual([{ binding: "BLOBS", id: "kv-0" }]);
    const [database] = d1_databases as { database_id: string; migrations_dir: string }[];
    expect(database?.database_id).toBe("d1-0");
    expect(resolve(folder, database?.migrations_dir ?? "")).toBe(
      resolve(import.meta.dirname, "../../src/directory/migrations"),
    );
  });

  it("to an account that has everything makes nothing anew", async () => {
    const { asked, run } = account({ namespaces: ["other", "apilocker-blobs"], databases: ["apilocker"] });
    await run();
    expect(asked.filter((line) => line.includes("create"))).toEqual([]);
    expect((await written()).kv_namespaces).toEqual([{ binding: "BLOBS", id: "kv-1" }]);
  });

  it.each<[string, Has, Record<string, string>, RegExp]>([
    ["nobody is signed in", { signed_in: false }, HOSTS, /Nobody is signed in/],
    ["a secret is missing", { secrets: ["ROOT_KEYS"] }, HOSTS, /not set: TOKEN_KEYS/],
    ["an origin is missing", {}, { PUBLIC_ORIGIN: HOSTS.PUBLIC_ORIGIN }, /PROXY_ORIGIN is not set/],
    ["both origins are one site", {}, { ...HOSTS, PROXY_ORIGIN: "https://proxy.locker.example" }, /registrable domain/],
    ["it is this machine", {}, { PUBLIC_ORIGIN: "http://localhost:1", PROXY_ORIGIN: "http://localhost:2" }, /loopback/],
    [
      "private upstreams would be allowed",
      {},
      { ...HOSTS, ALLOW_PRIVATE_UPSTREAMS: "true" },
      /ALLOW_PRIVATE_UPSTREAMS/,
    ],
  ])("where %s says so in a sentence, before anything is made", async (_what, has, environment, sentence) => {
    const { asked, run } = account(has);
    await expect(run({ environment })).rejects.toThrow(sentence);
    expect(asked.filter((line) => CHANGES.test(line))).toEqual([]);
  });

  it("that is only tried out changes nothing, says what it would do, and wrangler takes what would be uploaded", async () => {
    const { asked, run } = account({});
    const said: string[] = [];
    await run({ dry_run: true, say: (line) => said.push(line) });
    expect(asked.filter((line) => CHANGES.test(line))).toEqual(["deploy --dry-run --config /wrangler.json"]);
    expect(said.join("\n")).toMatch(
      /kv namespace create apilocker-blobs[^]*d1 create apilocker[^]*migrations apply DB[^]*Nothing was changed/,
    );
    const config = join(folder, "wrangler.json");
    const out = join(dirname(config), "out");
    const { code, stdout, stderr } = await realWrangler(["deploy", "--dry-run", "--outdir", out, "--config", config]);
    expect(stderr + stdout).toMatch(/--dry-run: exiting now/);
    expect(code).toBe(0);
  }, 60_000);
});

it("the deploy button asks for every secret that a deployment needs, and for nothing that no code reads", async () => {
  const read = (name: string) => readFile(join(ROOT, name), "utf8");
  const [readme, example, config, manifest] = await Promise.all(
    ["README.md", ".dev.vars.example", "src/config.ts", "package.json"].map(read),
  );
  // Whose copy that is only its owner knows: a link to any other would deploy somebody else's code.
  expect(readme).toContain("`https://deploy.workers.cloudflare.com/?url=`");
  expect(readme).not.toMatch(/deploy\.workers\.cloudflare\.com\/\?url=http/);
  const { secrets, vars } = readSettings() as { secrets: { required: string[] }; vars: Record<string, string> };
  const asked = Array.from(String(example).matchAll(/^([A-Z_]+)=(.*)$/gm), ([, name = "", value]) => ({ name, value }));
  expect(asked.map(({ name }) => name)).toEqual(expect.arrayContaining(secrets.required));
  for (const { name, value } of asked) {
    expect(value, `${name} has no value that somebody could keep`).toBe("");
    expect(config).toContain(`"${name}"`);
  }
  // What the button says of each setting is about one that there is.
  const { cloudflare, scripts } = JSON.parse(String(manifest)) as {
    cloudflare: { bindings: Record<string, { description: string }> };
    scripts: Record<string, string>;
  };
  const names = [...asked.map(({ name }) => name), ...Object.keys(vars)];
  expect(names).toEqual(expect.arrayContaining(Object.keys(cloudflare.bindings)));
  expect(Object.keys(cloudflare.bindings)).toEqual(
    expect.arrayContaining([...secrets.required, "PUBLIC_ORIGIN", "PROXY_ORIGIN"]),
  );
  expect(scripts.deploy).toBeDefined();
});
