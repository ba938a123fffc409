import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import * as z from "zod";
import { readConfig } from "../config.ts";
import { buildDashboard, buildWorker } from "./build.ts";
import { readSettings, ROOT, wrangler as realWrangler, type Ended, type Settings } from "./project.ts";

const CONFIG = join(ROOT, ".build", "wrangler.deploy.json");
/** Stands where an identifier will be, in a dry run. */
const NOT_YET = "00000000000000000000000000000000";
const A_KEY = `00:${Buffer.alloc(32).toString("base64")}`;

const Secrets = z.array(z.looseObject({ name: z.string() }));
const Namespaces = z.array(z.looseObject({ id: z.string(), title: z.string() }));
const Databases = z.array(z.looseObject({ uuid: z.string(), name: z.string() }));

export type DeployOptions = {
  /** Changes nothing: says what would be made, and has wrangler look at what would be uploaded. */
  dry_run?: boolean;
  /** Settings that win over wrangler.jsonc. */
  environment?: Record<string, string | undefined>;
  /** Where the settings that were completed are written. */
  config?: string;
  wrangler?: (args: readonly string[], show?: boolean) => Promise<Ended>;
  say?: (line: string) => void;
};

/** `npm run deploy [-- --dry-run]`. Everything that can be amiss is looked at before anything is made or changed. */
export async function deploy(options: DeployOptions = {}): Promise<void> {
  const { environment = process.env, config = CONFIG, say = console.log } = options;
  const account = new Account(options.wrangler ?? realWrangler, options.dry_run ?? false, say);
  await account.assertSignedIn();
  const settings = withEnvironment(readSettings(), environment);
  assertSettings(settings);
  await account.assertSecrets(settings);

  // Identifiers of an account do not belong into the project, so what is deployed is a copy of its settings that has them.
  const deployed = {
    ...settings,
    // The very files that the tests ran on: wrangler bundles nothing, it uploads them.
    main: join(await buildWorker(), "index.js"),
    no_bundle: true,
    rules: [{ type: "ESModule", globs: ["**/*.js"] }],
    assets: { ...settings.assets, directory: await buildDashboard() },
    routes: settings.routes ?? routesOf(settings),
    kv_namespaces: await Promise.all(settings.kv_namespaces.map((one) => account.withNamespace(settings.name, one))),
    d1_databases: (await Promise.all(settings.d1_databases.map((one) => account.withDatabase(one)))).map((one) => ({
      ...one,
      migrations_dir: relative(dirname(config), join(ROOT, one.migrations_dir)),
    })),
  };
  await mkdir(dirname(config), { recursive: true });
  await writeFile(config, JSON.stringify(deployed, null, 2));

  // Migrations only add, and the Worker that is still running does not mind them (docs/operations.md).
  for (const { binding } of settings.d1_databases) {
    await account.change(["d1", "migrations", "apply", binding, "--remote", "--config", config]);
  }
  await account.upload(config);
  say(
    options.dry_run === true
      ? "\nNothing was changed. npm run deploy does what stands above."
      : `\nAPI Locker is on ${settings.vars.PUBLIC_ORIGIN}, its proxy on ${settings.vars.PROXY_ORIGIN}.`,
  );
}

/** A variable of the environment wins over wrangler.jsonc, so that one project can be deployed to several places. */
function withEnvironment(settings: Settings, environment: Record<string, string | undefined>): Settings {
  const vars = Object.entries(settings.vars).map(([name, value]) => [name, environment[name] ?? value]);
  return { ...settings, vars: Object.fromEntries(vars) };
}

function assertSettings({ vars }: Settings): void {
  for (const name of ["PUBLIC_ORIGIN", "PROXY_ORIGIN"]) {
    if (!vars[name])
      throw new Error(`${name} is not set: put it into wrangler.jsonc under vars, or into the environment.`);
  }
  // Secrets cannot be read back; stand-ins let the same judge look at all the rest.
  const { local } = readConfig({ ...vars, ROOT_KEYS: A_KEY, TOKEN_KEYS: A_KEY, OIDC_CLIENT_SECRET: "a secret" });
  if (local) throw new Error("PUBLIC_ORIGIN is a loopback address, where no deployment can be.");
}

/** Each origin is a domain of its own: nothing else leads to the Worker (SECURITY S29). */
function routesOf({ vars }: Settings) {
  return [vars.PUBLIC_ORIGIN, vars.PROXY_ORIGIN].map((origin = "") => ({
    pattern: new URL(origin).host,
    custom_domain: true,
  }));
}

/** What wrangler knows and does of somebody's account. */
class Account {
  readonly #wrangler: NonNullable<DeployOptions["wrangler"]>;
  readonly #dry_run: boolean;
  readonly #say: (line: string) => void;

  constructor(wrangler: NonNullable<DeployOptions["wrangler"]>, dry_run: boolean, say: (line: string) => void) {
    this.#wrangler = wrangler;
    this.#dry_run = dry_run;
    this.#say = say;
  }

  async assertSignedIn(): Promise<void> {
    const { code, stdout, stderr } = await this.#wrangler(["whoami", "--json"]);
    if (code === 0) return;
    if (/"loggedIn":\s*false/.test(stdout)) {
      throw new Error("Nobody is signed in to Cloudflare: run npx wrangler login, or set CLOUDFLARE_API_TOKEN.");
    }
    throw new Error(`Cloudflare did not say who is signed in:\n${stderr.trim()}`);
  }

  async assertSecrets({ name, secrets }: Settings): Promise<void> {
    const { code, stdout, stderr } = await this.#wrangler(["secret", "list", "--name", name, "--format", "json"]);
    // A Worker that was never deployed has none; anything else that goes wrong is told as it is.
    if (code !== 0 && !/10007|not found|does not exist/i.test(stderr))
      throw new Error(`wrangler secret list failed:\n${stderr.trim()}`);
    const known = new Set(code === 0 ? Secrets.parse(JSON.parse(stdout)).map((secret) => secret.name) : []);
    const missing = secrets.required.filter((one) => !known.has(one));
    if (missing.length === 0) return;
    throw new Error(
      `These secrets are not set: ${missing.join(", ")}. Set each with npx wrangler secret put; a key is made by\n` +
        `  echo "00:$(openssl rand -base64 32)" | npx wrangler secret put ROOT_KEYS`,
    );
  }

  async withNamespace(project: string, namespace: Settings["kv_namespaces"][number]) {
    if (namespace.id !== undefined) return namespace;
    const title = `${project}-${namespace.binding.toLowerCase()}`;
    const find = async () => {
      const namespaces = Namespaces.parse(JSON.parse(await this.#ask(["kv", "namespace", "list"])));
      return namespaces.find((one) => one.title === title)?.id;
    };
    return { ...namespace, id: await this.#findOrCreate(find, ["kv", "namespace", "create", title]) };
  }

  async withDatabase(database: Settings["d1_databases"][number]) {
    const { database_name } = database;
    const find = async () => {
      const databases = Databases.parse(JSON.parse(await this.#ask(["d1", "list", "--json"])));
      return databases.find(({ name }) => name === database_name)?.uuid;
    };
    const database_id = database.database_id ?? (await this.#findOrCreate(find, ["d1", "create", database_name]));
    return { ...database, database_id };
  }

  /** Something that cannot be taken back: in a dry run it is only said. */
  async change(args: readonly string[]): Promise<void> {
    if (this.#dry_run) return this.#say(`Would run: wrangler ${args.join(" ")}`);
    await this.#show(args);
  }

  async upload(config: string): Promise<void> {
    const look = this.#dry_run ? ["--dry-run"] : [];
    await this.#show(["deploy", ...look, "--config", config]);
  }

  async #findOrCreate(find: () => Promise<string | undefined>, create: readonly string[]): Promise<string> {
    const found = await find();
    if (found !== undefined) return found;
    if (this.#dry_run) {
      this.#say(`Would run: wrangler ${create.join(" ")}`);
      return NOT_YET;
    }
    await this.#ask(create);
    const created = await find();
    if (created === undefined) throw new Error(`wrangler ${create.join(" ")} made nothing that can be found.`);
    this.#say(`Created: ${create.join(" ")}`);
    return created;
  }

  async #ask(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#wrangler(args);
    if (code !== 0) throw new Error(`wrangler ${args.join(" ")} failed:\n${(stderr || stdout).trim()}`);
    return stdout;
  }

  async #show(args: readonly string[]): Promise<void> {
    const { code } = await this.#wrangler(args, true);
    if (code !== 0) throw new Error(`wrangler ${args.join(" ")} failed, as told above.`);
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    const { values } = parseArgs({ options: { "dry-run": { type: "boolean", default: false } } });
    await deploy({ dry_run: values["dry-run"] });
  } catch (fault) {
    console.error(fault instanceof Error ? fault.message : fault);
    process.exitCode = 1;
  }
}
