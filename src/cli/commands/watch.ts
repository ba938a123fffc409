import type { Command } from "commander";
import { locker, type Answer, type Locker } from "../client.ts";
import { answer, choice, command, count, type Common } from "../command.ts";
import { usage } from "../failure.ts";
import { findOne, findToken } from "../find.ts";
import { follow, once } from "../follow.ts";
import { local, note, paint, plain, pour, progress, say, sayJson, table } from "../terminal.ts";
import { past } from "../times.ts";

type Row = Answer<"GET /activity">["items"][number];
type Filter = Common & {
  key?: string;
  token?: string;
  device?: string;
  action?: string;
  outcome?: string;
  since?: string;
  search?: string;
  limit: number;
  export?: "csv" | "jsonl";
  follow?: boolean;
};

/** What happens, what is wrong, and stopping it. */
export function watchCommands(program: Command): void {
  command(program, "activity", "what happened, newest first")
    .option("--key <key>", "only about this key")
    .option("--token <token>", "only by this token")
    .option("--device <device>", "only by this device")
    .option("--action <action>", "only this: proxy.call, key.create, …")
    .option(
      "--outcome <outcome>",
      "how it ended: ok, refused, failed, cut, canceled or interrupted; several with commas",
    )
    .option("--since <time>", "only since then: 2h, 7d, or a date")
    .option("--search <text>", "only with this text")
    .option("-n, --limit <n>", "at most so many", count, 20)
    .addOption(choice("--export <format>", "all of it as a file, on stdout", ["csv", "jsonl"]))
    .option("-f, --follow", "go on, as it happens")
    .action(activity);

  command(program, "verify", "whether any row of the activity is missing or was changed; exit code 1 if one is").action(
    verify,
  );

  command(program, "doctor", "what you should look at; exit code 1 if anything needs you").action(
    async (options: Common) => {
      const items = await (await locker(options)).list("GET /doctor");
      if (items.some(({ severity }) => severity !== "notice")) process.exitCode = 1;
      if (options.json === true) return sayJson({ items });
      if (items.length === 0) return say(paint("All is well.", "green"));
      for (const { severity, detail, fix } of items)
        say(
          `${paint(severity.padEnd(8), severity === "notice" ? "dim" : "yellow")} ${plain(detail)}\n${" ".repeat(9)}${plain(fix)}`,
        );
    },
  );

  command(
    program,
    "explain <token>",
    "what would be decided about a call, and by which rule; exit code 1 for a refusal",
  )
    .option("--key <key>", "key that is called with")
    .option("--method <method>", "method", "GET")
    .option("--path <path>", "path at the provider", "/")
    .option("--ip <address>", "from where")
    .option("--country <code>", "from which country")
    .action(explain);

  command(program, "providers", "the providers that are known").action((options: Common) =>
    answer(
      options,
      async (locker) => ({ items: await locker.list("GET /providers") }),
      ({ items }) =>
        say(
          table(
            ["ID", "NAME", "KIND", "ADDRESS"],
            items.map(({ id, name, category, base_url, base_url_hint }) => [
              id,
              name,
              category,
              base_url ?? base_url_hint ?? "",
            ]),
          ),
        ),
    ),
  );
}

type Question = Common & { key?: string; method: string; path: string; ip?: string; country?: string };

async function explain(ref: string, { key, method, path, ip, country, ...options }: Question): Promise<void> {
  const at = await locker(options);
  const { id: token_id } = await findToken(at, ref);
  const told = await at.call("POST /explain", { body: { token_id, key, method, path, ip, country } });
  if (told.decision === "deny") process.exitCode = 1;
  if (options.json === true) return sayJson(told);
  say(verdictOf(told));
  if (told.would_refuse !== undefined)
    say(`On trial, ${told.would_refuse.rule} would refuse it: ${plain(told.would_refuse.detail)}`);
  for (const { rule, passed, token_id: judged } of told.checks)
    say(`  ${passed ? paint("✓", "green") : paint("✗", "red")} ${rule}${judged === token_id ? "" : ` of ${judged}`}`);
}

function verdictOf({ decision, rule = "", detail = "" }: Answer<"POST /explain">): string {
  if (decision === "allow") return paint("It would be let through.", "green");
  if (decision === "ask") return paint("It would wait for your yes.", "yellow");
  return `${paint("It would be refused", "red")} by ${rule}: ${plain(detail)}`;
}

async function activity({ follow: following = false, ...options }: Filter): Promise<void> {
  const { key, action, outcome, search: q, limit } = options;
  if (following && q !== undefined) throw usage("--search looks through what happened; it does not go with --follow.");
  if (following && options.export !== undefined)
    throw usage("--export is of what happened; it does not go with --follow.");
  const since = options.since === undefined ? undefined : past(options.since);
  const at = await locker(options);
  const [token, device] = await Promise.all([idIn(at, "tokens", options.token), idIn(at, "devices", options.device)]);
  const filter = { key, token, device, action, outcome, since, q };
  if (options.export !== undefined) return pour(at.file("GET /activity/export", { ...filter, format: options.export }));
  const rows = () => at.list("GET /activity", filter, limit);
  if (!following) {
    const items = await rows();
    if (options.json === true) return sayJson({ items });
    if (items.length > 0) return say(table(HEADINGS, items.map(cells)));
    const asked = [key, token, device, action, outcome, since, q].some((one) => one !== undefined);
    return note(asked ? "Nothing on record is like that." : "Nothing happened yet.");
  }
  const wanted = { key: key === undefined ? undefined : await keyId(at, key), token, device, action, outcome };
  const tell = once<Row>(
    (row) => `${row.id} ${row.outcome}`,
    (row) => sayRow(row, options.json === true),
  );
  await follow(
    at,
    (event) => {
      if (event.type === "skipped") note("apilocker: more happened than fits here; apilocker activity shows all of it");
      // A row comes at the decision and again with its end; the end says it all.
      if (event.type === "activity" && event.row.outcome !== "pending" && fits(event.row, wanted)) tell(event.row);
    },
    // Oldest first, so that what comes is below what was.
    async () => (await rows()).toReversed().forEach(tell),
  );
}

/** Walks the whole log, however many requests it takes, and ends with one verdict. */
async function verify(options: Common): Promise<void> {
  const at = await locker(options);
  let told = await at.call("GET /activity/verify");
  for (let cursor = told.next_cursor; cursor !== undefined; cursor = told.next_cursor) {
    progress(`${told.rows} rows walked, ${told.left ?? 0} to go`);
    told = await at.call("POST /activity/verify", { body: { cursor } });
  }
  progress("");
  if (told.ok !== true) process.exitCode = 1;
  if (options.json === true) return sayJson(told);
  say(
    told.ok === true
      ? paint(
          `Every row is there, and none was changed: ${told.rows} up to row ${told.head.seq}, ${told.head.hash}`,
          "green",
        )
      : paint(`The record does not hold: ${plain(told.fault ?? "")}`, "red"),
  );
}

/** An id, a name or the end of an id, as everywhere. */
async function idIn(at: Locker, what: "tokens" | "devices", ref: string | undefined): Promise<string | undefined> {
  if (ref === undefined || /^[a-z]{3}_[0-9A-Z]{26}$/.test(ref)) return ref;
  const found = what === "tokens" ? findToken(at, ref) : findOne(await at.list("GET /devices"), ref, "device");
  return (await found).id;
}

async function keyId(at: Locker, key: string): Promise<string> {
  return (await at.call("GET /keys/{key}", { params: { key } })).id;
}

type Wanted = {
  key?: string | undefined;
  token?: string | undefined;
  device?: string | undefined;
  action?: string | undefined;
  outcome?: string | undefined;
};

function fits({ key, actor, action, outcome }: Row, wanted: Wanted): boolean {
  const by = wanted.token ?? wanted.device;
  return (
    (wanted.key === undefined || key === wanted.key) &&
    (by === undefined || actor.id === by) &&
    (wanted.action === undefined || action === wanted.action) &&
    (wanted.outcome === undefined || wanted.outcome.split(",").includes(outcome))
  );
}

const HEADINGS = ["WHEN", "WHO", "WHAT", "END", "WHERE", "FROM"];

function cells({
  at,
  actor,
  action,
  outcome,
  rule,
  count,
  status,
  key_name,
  method,
  host,
  path,
  subject,
  ip,
  country,
}: Row): string[] {
  const times = count === undefined ? "" : ` × ${count}`;
  const what = `${key_name === undefined ? action : `${action} ${key_name}`}${times}`;
  const where = host === undefined ? (subject ?? "") : `${method ?? ""} ${host}${path ?? ""}`;
  const end = [outcome, rule, status].filter((one) => one !== undefined && one !== "").join(" ");
  return [local(at), actor.name, what, end, where, country === "XX" ? ip : `${ip} ${country}`];
}

function sayRow(row: Row, json: boolean): void {
  if (json) return say(JSON.stringify(row));
  const [when = "", who = "", what = "", end = "", where = ""] = cells(row).map(plain);
  const how = row.outcome === "ok" ? "green" : row.outcome === "pending" ? "dim" : "red";
  say(`${paint(when, "dim")}  ${who}  ${what}  ${paint(end, how)}  ${where}`);
}
