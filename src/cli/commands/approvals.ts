import type { Command } from "commander";
import { openPage } from "../browser.ts";
import { locker, type Answer, type Locker } from "../client.ts";
import { answer, choice, command, type Common } from "../command.ts";
import { Failure } from "../failure.ts";
import { findOne, shortId } from "../find.ts";
import { follow, once } from "../follow.ts";
import { confirm } from "../prompts.ts";
import { ago, note, paint, plain, say, sayJson, table } from "../terminal.ts";

type Approval = Answer<"GET /approvals/{id}">;
type Decision = NonNullable<Approval["decision"]>;

const ANSWERED: Record<Decision, string> = {
  once: "let through, once",
  "10m": "let through, and whatever else goes there for ten minutes",
  "1h": "let through, and whatever else goes there for an hour",
  always: "let through, and whatever else goes there from now on",
  no: "refused",
};

/** Calls that a token may make only with a person's yes (docs/design/approvals.md). */
export function approvalCommands(program: Command): void {
  const approvals = program.command("approvals").description("calls that wait for your yes");
  command(approvals, "list", "list the calls that wait; also without the word list", { isDefault: true })
    .option("-f, --follow", "go on, as calls are asked about and answered")
    .action(list);

  command(approvals, "show <question>", "show what would be sent, and who asks").action(
    (ref: string, options: Common) => answer(options, (locker) => find(locker, ref), show),
  );

  command(
    approvals,
    "approve <question>",
    "let a call through; what this device has minted, only you in the browser can",
  )
    .addOption(choice("--for <time>", "this address for a while, whatever is sent there", ["10m", "1h"]))
    .option("-y, --yes", "do not ask")
    .action(approve);

  command(approvals, "deny <question>", "refuse a call").action((ref: string, options: Common) =>
    answer(options, async (locker) => decide(locker, await find(locker, ref), "no"), showAnswered),
  );

  command(approvals, "open <question>", "answer in the browser, where also always can be said")
    .option("--no-browser", "print the address instead of opening a browser")
    .action((ref: string, { browser, ...options }: Common & { browser: boolean }) =>
      answer(
        options,
        async (locker) => {
          const { id, url } = await find(locker, ref);
          if (browser) openPage(url);
          return { id, url };
        },
        ({ url }) => say(plain(url)),
      ),
    );
}

async function list({ follow: following = false, ...options }: Common & { follow?: boolean }): Promise<void> {
  if (following) return watch(await locker(options), options.json === true);
  await answer(
    options,
    async (locker) => ({ items: await locker.list("GET /approvals") }),
    ({ items }) => {
      if (items.length === 0) return note("Nothing waits for you.");
      const rows = items.map((one) => [
        shortId(one.id),
        one.host,
        one.method,
        one.path,
        one.key.name,
        one.actor.name,
        one.waiting ? "waiting" : "has left",
        ago(one.expires_at),
      ]);
      say(table(["ID", "HOST", "METHOD", "PATH", "KEY", "WHO", "", "ENDS"], rows));
    },
  );
}

/** Questions and their answers as they come. */
function watch(at: Locker, json: boolean): Promise<never> {
  const tell = once<Approval>(
    ({ id, decision = "open" }) => `${id} ${decision}`,
    (approval) => (json ? say(JSON.stringify(approval)) : sayQuestion(approval)),
  );
  return follow(
    at,
    (event) => {
      if (event.type === "approval") tell(event.approval);
    },
    async () => (await at.list("GET /approvals")).toReversed().forEach(tell),
  );
}

function sayQuestion({ id, url, host, method, path, key, actor, asked_at, decision }: Approval): void {
  if (decision !== undefined) return say(`${paint(shortId(id), "dim")}  ${ANSWERED[decision]}`);
  say(
    `${paint(shortId(id), "dim")}  ${paint(plain(host), "bold")}  ${said(`${method} ${path}`)}  with ${said(key.name)}, asked by ${said(actor.name)} ${ago(asked_at)}`,
  );
  say(`          ${paint(`apilocker approvals approve ${shortId(id)}`, "cyan")}  or ${plain(url)}`);
}

/** By its id, or the end of it while it is open. */
async function find(at: Locker, ref: string): Promise<Approval> {
  if (/^apr_[0-9A-Z]{26}$/.test(ref)) return at.call("GET /approvals/{id}", { params: { id: ref } });
  const open = await at.list("GET /approvals");
  return findOne(
    open.map((one) => ({ ...one, name: one.id })),
    ref,
    "open question",
  );
}

/** What the program sent is quoted: it is written by whoever wants the yes (SECURITY S21). Only the host is ours to say. */
function show({ id, url, host, method, path, key, actor, ip, country, expires_at, waiting, decision }: Approval): void {
  say(`With your key, a program wants to call ${paint(plain(host), "bold")}. It says of itself:`);
  const facts: [string, string][] = [
    ["Method", method],
    ["Path", path],
    ["Key", key.name],
    ["Token", actor.name],
    ["From", country === "XX" ? ip : `${ip} ${country}`],
  ];
  for (const [name, value] of facts) say(`  ${paint(name.padEnd(7), "dim")} ${said(value)}`);
  if (decision !== undefined) return say(`It was answered: ${ANSWERED[decision]}.`);
  say(`${waiting ? "It is waiting" : "It has left, and may ask again"}; the question ends ${ago(expires_at)}.`);
  say(`Answer: apilocker approvals approve ${shortId(id)}, deny, or in the browser: ${plain(url)}`);
}

/** Somebody else's words, between quotes that they cannot close. */
function said(text: string): string {
  return JSON.stringify(plain(text));
}

type Approve = Common & { for?: "10m" | "1h"; yes?: boolean };

async function approve(ref: string, { for: time, yes = false, ...options }: Approve): Promise<void> {
  const at = await locker(options);
  const question = await find(at, ref);
  const { host, method, path } = question;
  const what = time === undefined ? "Let this one call through" : `Let everything to this address through for ${time}`;
  await confirm(`${what}? ${said(`${method} ${path}`)} to ${plain(host)}`, yes);
  const answered = await decide(at, question, time ?? "once");
  if (options.json === true) sayJson(answered);
  else showAnswered(answered);
}

async function decide(at: Locker, { id, url }: Approval, decision: Decision): Promise<Approval> {
  try {
    return await at.call("POST /approvals/{id}", { params: { id }, body: { decision } });
  } catch (refused) {
    if (!(refused instanceof Failure) || refused.code !== "insufficient_scope") throw refused;
    const { message, code } = refused;
    throw new Failure(message, { code, hint: `Answer it there: ${url} (apilocker approvals open ${shortId(id)})` });
  }
}

function showAnswered({ decision }: Approval): void {
  if (decision !== undefined) note(`The call is ${ANSWERED[decision]}.`);
}
