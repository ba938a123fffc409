import { Option, type Command } from "commander";
import type { Answer } from "../client.ts";
import { answer, command, count, duration, group, list, several, type Common } from "../command.ts";
import { openPage } from "../browser.ts";
import { addKey, type AddOptions } from "../add_key.ts";
import { importFile } from "../import_keys.ts";
import { usage } from "../failure.ts";
import { nextSecret } from "../fields.ts";
import { confirm, readSecret } from "../prompts.ts";
import { locker } from "../client.ts";
import { tellIfRenamed } from "../secrets.ts";
import { ago, note, paint, plain, say, sayJson, table } from "../terminal.ts";

type Key = Answer<"GET /keys">["items"][number];
type Category = Answer<"GET /providers">["items"][number]["category"];
type Listing = Common & { tag?: string[]; provider?: string; category?: Category; search?: string; limit?: number };

const CATEGORIES: readonly Category[] = ["llm", "service", "oauth"];

/** Keys, under `keys` and, as people know them, at the top. */
export function keyCommands(program: Command): void {
  const keys = group(program, "keys", "store, use and manage keys");
  addCommand(keys, "add [name]");
  addCommand(program, "store [name]");
  for (const parent of [keys, program]) shared(parent);
  command(keys, "show <key>", "show what is known of a key, without its secret").action(
    (key: string, options: Common) =>
      answer(options, (locker) => locker.call("GET /keys/{key}", { params: { key } }), showKey),
  );
  command(keys, "test <key>", "make one harmless call with a key, to see that it works")
    .option("--path <path>", "what to GET, where no harmless call is known for the provider")
    .action((key: string, { path, ...options }: Common & { path?: string }) =>
      answer(
        options,
        (locker) => locker.call("POST /keys/{key}/test", { params: { key }, body: path === undefined ? {} : { path } }),
        ({ ok, status, latency_ms, detail }) => {
          say(
            `${ok ? paint("works", "green") : paint("does not work", "red")}: ${plain(detail)}${status === undefined ? "" : ` (${status}, ${latency_ms} ms)`}`,
          );
          if (!ok) process.exitCode = 1;
        },
      ),
    );
  command(keys, "connect <key>", "connect an OAuth credential to its provider, in the browser")
    .option("--no-browser", "print the address instead of opening a browser")
    .action((key: string, { browser, ...options }: Common & { browser: boolean }) =>
      answer(
        options,
        (locker) => locker.call("POST /keys/{key}/connect", { params: { key } }),
        ({ url }) => {
          note(`Connect it at ${plain(url)}`);
          if (browser) openPage(url);
        },
      ),
    );
  command(keys, "entry-link <key>", "make a one-time page on which you type a key's next secret").action(
    (key: string, options: Common) =>
      answer(
        options,
        (locker) => locker.call("POST /keys/{key}/entry-link", { params: { key } }),
        ({ url }) => say(plain(url)),
      ),
  );
}

function addCommand(parent: Command, name: string): void {
  command(parent, name, "store a key; its secret is asked for, or piped in")
    .option("--provider <id>", "provider; see: apilocker providers")
    .option("--base-url <url>", "where the provider is, if not at its usual address")
    .option("--header <name>", "header that carries the secret, for a provider that is not known")
    .option("--query <name>", "query parameter that carries the secret, for a provider that is not known")
    .option("--tag <tag>", "tag, may be repeated", several)
    .option("--note <text>", "note for yourself")
    .option("--expires <when>", "when the provider lets it expire: 30d, or a date")
    .option("--revealable", "let unlocked devices see the secret, not only use it")
    .option("--scrub", "take the secret out of every answer, should a provider echo it")
    .action((key: string | undefined, options: AddOptions) => addKey(key, options));
}

function shared(parent: Command): void {
  command(parent, "list", "list keys")
    .option("--tag <tag>", "only with this tag, or any of several: may be repeated", several)
    .option("--provider <id>", "only of this provider")
    .addOption(new Option("--category <category>", "only of providers of this kind").choices(CATEGORIES))
    .option("--search <text>", "only with this in the name")
    .option("--limit <n>", "at most so many", count)
    .action((options: Listing) =>
      answer(
        options,
        async (locker) => {
          const { tag, provider, category, search: q, limit } = options;
          return { items: await locker.list("GET /keys", { tag: tag?.join(","), provider, category, q }, limit) };
        },
        ({ items }) => showKeys(items, options),
      ),
    );

  command(parent, "get <key>", "print a key's secret; the device must be unlocked")
    .option("--field <field>", "which field, of a secret that has several")
    .action(getSecret);

  command(parent, "rotate <key>", "give a key a new secret, asked for or piped in; several fields are piped in as JSON")
    .option("--field <field>", "only this field of an OAuth credential: client_secret, refresh_token")
    .option(
      "--overlap <duration>",
      "how long the old one goes on working where the new one is refused: 10m, 1d",
      duration,
    )
    .action(async (key: string, { field, overlap, ...options }: Common & { field?: string; overlap?: number }) => {
      await answer(
        options,
        async (locker) => {
          const { placement } = await locker.call("GET /keys/{key}", { params: { key } });
          const given =
            field === undefined
              ? await nextSecret(key, placement)
              : { fields: { [field]: await readSecret(`The new ${field} of ${key}`) } };
          const body = { ...given, ...(overlap === undefined ? {} : { overlap_seconds: overlap }) };
          return locker.call("POST /keys/{key}/rotate", { params: { key }, body });
        },
        ({ name, version }) => note(`${plain(name)} has its new secret (version ${version}).`),
      );
    });

  command(parent, "rename <key> <name>", "rename a key; the old name goes on working").action(
    (key: string, name: string, options: Common) =>
      answer(
        options,
        (locker) => locker.call("PATCH /keys/{key}", { params: { key }, body: { name } }),
        (changed) => note(`${key} is ${plain(changed.name)} now; ${key} goes on working.`),
      ),
  );

  command(parent, "pause <key>", "stop a key for now, and cut what uses it").action((key: string, options: Common) =>
    answer(
      options,
      (locker) => locker.call("POST /keys/{key}/pause", { params: { key } }),
      ({ name }) => note(`${plain(name)} is paused.`),
    ),
  );

  command(parent, "resume <key>", "let a paused key go on").action((key: string, options: Common) =>
    answer(
      options,
      (locker) => locker.call("POST /keys/{key}/resume", { params: { key } }),
      ({ name }) => note(`${plain(name)} goes on.`),
    ),
  );

  command(parent, "delete <key>", "delete a key, and cut what uses it")
    .option("-y, --yes", "do not ask")
    .action(async (key: string, { yes = false, ...options }: Common & { yes?: boolean }) => {
      const at = await locker(options);
      const { name } = await at.call("GET /keys/{key}", { params: { key } });
      await confirm(`Delete ${plain(name)}? Its secret cannot be brought back.`, yes);
      const receipt = await at.call("DELETE /keys/{key}", { params: { key } });
      if (options.json === true) sayJson(receipt);
      else note(`${plain(name)} is deleted; ${receipt.streams_cut} streams were cut.`);
    });

  command(parent, "import [file]", "store what a .env file holds, after showing what that is")
    .option("-y, --yes", "store all that is new without asking; what is there already is left alone")
    .option("--dry-run", "only show what would be stored")
    .option("--tag <tag>", "tag for all, may be repeated", several)
    .option("--only <names>", "only these variables", list)
    .option("--overwrite", "with --yes: give keys that are there already the new secret")
    .option("--revealable", "let unlocked devices see the secrets, not only use them")
    .action(importFile);
}

function showKeys(keys: readonly Key[], { tag, provider, category, search }: Listing): void {
  if (keys.length === 0 && (tag ?? provider ?? category ?? search) !== undefined) return note("No key is like that.");
  if (keys.length === 0) return note("There are no keys yet. Store one: apilocker store openai");
  const rows = keys.map(({ name, provider, tags, last_used_at, uses, ...key }) => [
    name,
    provider,
    stateOf(key),
    tags.join(","),
    String(uses),
    ago(last_used_at),
  ]);
  say(table(["NAME", "PROVIDER", "STATE", "TAGS", "USES", "LAST USED"], rows));
}

function stateOf({ paused, expires_at }: { paused: boolean; expires_at?: string | undefined }): string {
  if (paused) return "paused";
  if (expires_at === undefined) return "live";
  return Date.parse(expires_at) <= Date.now() ? "expired" : `ends ${ago(expires_at)}`;
}

function showKey(key: Answer<"GET /keys/{key}">): void {
  const facts: [string, string][] = [
    ["Name", key.name],
    ["Id", key.id],
    ["Provider", key.provider],
    ["Goes to", key.base_url],
    ["State", stateOf(key)],
    ["Revealable", key.revealable ? "yes" : "no"],
    ["Tags", key.tags.join(", ")],
    ["Note", key.note ?? ""],
    ["Version", `${key.version}, since ${ago(key.versions.find(({ current }) => current)?.created_at)}`],
    ["Former names", key.former_names.join(", ")],
    ["Used", `${key.uses} times, last ${ago(key.last_used_at)}`],
  ];
  for (const [name, value] of facts) if (value !== "") say(`${paint(name.padEnd(13), "dim")} ${plain(value)}`);
}

/** The secret and nothing else, so that it can be captured; with a line's end only where a person looks. */
async function getSecret(key: string, { field, ...options }: Common & { field?: string }): Promise<void> {
  const at = await locker(options);
  const revealed = await at.call("POST /keys/{key}/reveal", { params: { key } });
  tellIfRenamed(key, revealed);
  if (options.json === true) return sayJson(revealed);
  const names = Object.keys(revealed.fields);
  const [only = ""] = names;
  if (field === undefined && names.length > 1) return sayJson(revealed.fields);
  const wanted = field ?? only;
  if (!Object.hasOwn(revealed.fields, wanted))
    throw usage(`${key} has no field ${wanted}.`, `It has ${names.join(", ")}.`);
  process.stdout.write(`${revealed.fields[wanted] ?? ""}${process.stdout.isTTY ? "\n" : ""}`);
}
