import type { Command } from "commander";
import { locker, type Locker } from "../client.ts";
import { amount, answer, choice, command, count, group, list, several, type Common } from "../command.ts";
import { usage } from "../failure.ts";
import { findToken, isLive, shortId, type Token } from "../find.ts";
import { confirm } from "../prompts.ts";
import { ago, note, paint, plain, say, sayJson, table } from "../terminal.ts";
import { moment } from "../times.ts";

const ROTATIONS = ["static", "hourly", "daily", "weekly", "monthly"] as const;

type Create = Common & {
  keys: string[];
  method?: string[];
  path?: string[];
  expires?: string;
  rate?: number;
  daily?: number;
  maxUses?: number;
  atOnce?: number;
  ip?: string[];
  country?: string[];
  ask?: boolean;
  askMethod?: string[];
  askPath?: string[];
  usdPerDay?: number;
  usdPerMonth?: number;
  rotation?: (typeof ROTATIONS)[number];
};

/** App tokens: what apps and agents call the proxy with. */
export function tokenCommands(program: Command): void {
  const tokens = group(program, "tokens", "app tokens: what programs call the proxy with").alias("token");
  command(tokens, "create <name>", "create a token; it is printed once")
    .requiredOption("--keys <keys>", "keys that it may use: names, ids or tag:x, with commas", list)
    .option("--method <method>", "only this method, may be repeated", several)
    .option("--path <glob>", "only paths like this, may be repeated: /v1/chat/**", several)
    .option("--expires <when>", "when it ends: 30d, or a date")
    .option("--rate <n>", "at most so many calls a minute", count)
    .option("--daily <n>", "at most so many calls a day", count)
    .option("--max-uses <n>", "at most so many calls at all", count)
    .option("--at-once <n>", "at most so many calls under way", count)
    .option("--ip <range>", "only from this address or range, may be repeated", several)
    .option("--country <code>", "only from this country, may be repeated", several)
    .option("--usd-per-day <amount>", "what calls to models may cost a day", amount)
    .option("--usd-per-month <amount>", "what calls to models may cost a month", amount)
    .option("--ask", "every call needs your yes first: apilocker approvals")
    .option("--ask-method <method>", "calls of this method need your yes, may be repeated", several)
    .option("--ask-path <glob>", "calls of paths like this need your yes, may be repeated", several)
    .addOption(choice("--rotation <cadence>", "how long an access token lives", ROTATIONS))
    .action(create);

  command(tokens, "list", "list tokens")
    .option("--search <text>", "only with this in the name")
    .option("--all", "dead ones too")
    .option("--limit <n>", "at most so many", count)
    .action(({ all = false, search, limit, ...options }: Common & { all?: boolean; search?: string; limit?: number }) =>
      answer(
        options,
        async (locker) => {
          const filter = { q: search, state: all ? undefined : ("live" as const) };
          return { items: await locker.list("GET /tokens", filter, limit) };
        },
        async ({ items }, locker) => {
          if (items.length > 0) return showTokens(items, await keyNames(locker));
          if (search !== undefined)
            return note(`No token has ${JSON.stringify(plain(search))} in its name. Dead ones too: --all`);
          note("There are no tokens. Create one: apilocker tokens create my-app --keys openai");
        },
      ),
    );

  command(tokens, "show <token>", "show what a token may do").action((ref: string, options: Common) =>
    answer(
      options,
      (locker) => findToken(locker, ref),
      async (token, locker) => showToken(token, await keyNames(locker)),
    ),
  );

  for (const [name, description, said] of [
    ["pause", "stop a token for now, and cut what it has open", "is paused"],
    ["resume", "let a paused token go on", "goes on"],
  ] as const)
    command(tokens, `${name} <token>`, description).action((ref: string, options: Common) =>
      answer(
        options,
        async (locker) => {
          const { id } = await findToken(locker, ref);
          return locker.call(`POST /tokens/{id}/${name}`, { params: { id } });
        },
        (token) => note(`${plain(token.name)} ${said}.`),
      ),
    );

  command(tokens, "revoke <token>", "end a token for good, and cut what it has open")
    .alias("delete")
    .option("-y, --yes", "do not ask")
    .action(async (ref: string, { yes = false, ...options }: Common & { yes?: boolean }) => {
      const at = await locker(options);
      const { id, name } = await findToken(at, ref);
      await confirm(`Revoke ${plain(name)}? What uses it stops at once.`, yes);
      const receipt = await at.call("DELETE /tokens/{id}", { params: { id } });
      if (options.json === true) sayJson(receipt);
      else note(`${plain(name)} is revoked; ${receipt.streams_cut} streams were cut.`);
    });
}

async function create(name: string, { keys, method, path, expires, ...options }: Create): Promise<void> {
  const { rate, daily, maxUses, atOnce, ip, country, usdPerDay, usdPerMonth, rotation } = options;
  if (keys.length === 0) throw usage("Say which keys it may use: --keys openai,stripe");
  const policy = {
    keys,
    ...(method === undefined ? {} : { methods: method.map((one) => one.toUpperCase()) as "GET"[] }),
    ...(path === undefined ? {} : { paths: path }),
    ...(expires === undefined ? {} : { expires_at: moment(expires) }),
    ...(rate === undefined ? {} : { rate: { per_minute: rate } }),
    ...(daily === undefined ? {} : { daily_quota: daily }),
    ...(maxUses === undefined ? {} : { max_uses: maxUses }),
    ...(atOnce === undefined ? {} : { max_concurrent: atOnce }),
    ...(ip === undefined ? {} : { ip_allow: ip }),
    ...(country === undefined ? {} : { countries: country }),
    ...((usdPerDay ?? usdPerMonth) === undefined
      ? {}
      : { spend: { usd_per_day: usdPerDay, usd_per_month: usdPerMonth } }),
    ...askIn(options),
  };
  const at = await locker(options);
  // First, so that nothing can go wrong once there is a token to show.
  const { proxy_origin } = await at.call("GET /me");
  const made = await at.call("POST /tokens", {
    body: { name, policy, ...(rotation === undefined ? {} : { rotation }) },
  });
  if (options.json === true) return sayJson(made);
  say(made.token);
  if (made.refresh_token !== undefined) say(made.refresh_token);
  note(
    `${made.refresh_token === undefined ? "It is" : "The access token and its refresh token are"} shown this once. Send it where the provider's key would go, to ${proxy_origin}/v1/proxy/KEY`,
  );
  if (made.expires_at !== undefined) note(`It ends ${ago(made.expires_at)}.`);
}

/** Methods and paths narrow what is asked about; without either it is every call. */
function askIn({ ask = false, askMethod, askPath }: Pick<Create, "ask" | "askMethod" | "askPath">) {
  if (!ask && askMethod === undefined && askPath === undefined) return {};
  return { ask: { methods: askMethod?.map((one) => one.toUpperCase()), paths: askPath } };
}

/** What keys are called, by id: policies keep ids, so that renaming a key changes none. */
async function keyNames(at: Locker): Promise<ReadonlyMap<string, string>> {
  return new Map((await at.list("GET /keys")).map(({ id, name }) => [id, name]));
}

function showTokens(tokens: readonly Token[], names: ReadonlyMap<string, string>): void {
  const rows = tokens.map((token) => [
    shortId(token.id),
    token.name,
    reachOf(token, names, MOST_NAMED),
    stateOf(token),
    String(token.uses),
    ago(token.last_used_at),
  ]);
  say(table(["ID", "NAME", "KEYS", "STATE", "USES", "LAST USED"], rows));
}

const MOST_NAMED = 2;

/** The keys that a token reaches, by name; of more than `most` how many more. */
function reachOf({ policy: { keys } }: Token, names: ReadonlyMap<string, string>, most = Infinity): string {
  if (keys === undefined) return "every key";
  const named = keys.slice(0, most).map((id) => names.get(id) ?? id);
  return keys.length > named.length ? `${named.join(", ")} +${keys.length - named.length}` : named.join(", ");
}

function showToken(token: Token, names: ReadonlyMap<string, string>): void {
  const { id, name, policy, rotation, created_at, last_used_at, uses, refused } = token;
  const { rate, spend, ask } = policy;
  const facts: [string, string | undefined][] = [
    ["Name", name],
    ["Id", id],
    ["State", stateOf(token)],
    ["Rotation", rotation],
    ["Keys", reachOf(token, names)],
    ["Methods", policy.methods?.join(", ")],
    ["Paths", policy.paths?.join(", ")],
    ["Addresses", policy.ip_allow?.join(", ")],
    ["Countries", policy.countries?.join(", ")],
    ["Not before", policy.not_before],
    ["Ends", token.expires_at ?? policy.expires_at],
    ["Rate", limits([rate?.per_second, "a second"], [rate?.per_minute, "a minute"])],
    ["Calls", limits([policy.daily_quota, "a day"], [policy.max_uses, "at all"], [policy.max_concurrent, "at once"])],
    ["Dollars", limits([spend?.usd_per_day, "a day"], [spend?.usd_per_month, "a month"])],
    ["Asks first", ask && ([...(ask.methods ?? []), ...(ask.paths ?? [])].join(", ") || "every call")],
    ["On trial", policy.warn && Object.keys(policy.warn).join(", ")],
    ["Created", ago(created_at)],
    ["Used", `${uses} times, last ${ago(last_used_at)}; refused ${refused} times`],
  ];
  for (const [what, value = ""] of facts) if (value !== "") say(`${paint(what.padEnd(11), "dim")} ${plain(value)}`);
}

/** The limits that there are, each with what it is by. */
function limits(...given: [number | undefined, string][]): string {
  return given.flatMap(([most, by]) => (most === undefined ? [] : [`at most ${most} ${by}`])).join(", ");
}

function stateOf(token: Token): string {
  if (token.revoked_at !== undefined) return "revoked";
  if (!isLive(token)) return "expired";
  if (token.paused) return "paused";
  return token.expires_at === undefined ? "live" : `ends ${ago(token.expires_at)}`;
}
