import { exact } from "./time.tsx";
import type { Policy, Terms } from "../pages/tokens/policy.ts";

const MOST_NAMES = 3;

/** A list as a sentence has it. */
function listed(words: readonly string[], between: "and" | "or" = "and"): string {
  if (words.length <= 1) return words[0] ?? "";
  return `${words.slice(0, -1).join(", ")} ${between} ${words.at(-1)}`;
}

/** Which keys a policy reaches. */
export function reachInWords(keys: readonly string[] | undefined, names: ReadonlyMap<string, string>): string {
  if (keys === undefined) return "every key";
  const words = keys.map((key) =>
    key.startsWith("tag:") ? `every key tagged ${key.slice(4)} now` : (names.get(key) ?? key),
  );
  if (words.length <= MOST_NAMES + 1) return listed(words);
  return `${words.slice(0, MOST_NAMES).join(", ")} and ${words.length - MOST_NAMES} more`;
}

/** What a token may do, told as one would tell a colleague. */
export function policyInWords(policy: Policy, names: ReadonlyMap<string, string>): string {
  const { warn, allow_credential_endpoints } = policy;
  const sentences = [
    `Whoever holds it may call ${termsInWords(policy, names)}.`,
    ...limitsInWords(policy),
    ...budgetInWords(policy),
    ...askInWords(policy),
    allow_credential_endpoints === true
      ? "It may even call what makes or shows credentials."
      : "What makes or shows credentials at the provider stays refused.",
    ...(warn === undefined
      ? []
      : [`On trial, which refuses nothing yet: ${[termsInWords(warn, names), ...limitsInWords(warn)].join(". ")}`]),
  ];
  return sentences.join(" ");
}

function termsInWords(terms: Terms, names: ReadonlyMap<string, string>): string {
  const { keys, methods, paths, ip_allow, countries, not_before, expires_at } = terms;
  return [
    reachInWords(keys, names),
    methods === undefined ? "with any method" : `with ${listed(methods, "or")}`,
    paths === undefined ? "on any path" : `on ${listed(paths, "or")}`,
    ip_allow === undefined ? "" : `from ${listed(ip_allow, "or")}`,
    countries === undefined ? "" : `in ${listed(countries, "or")}`,
    not_before === undefined ? "" : `from ${exact(not_before)} on`,
    expires_at === undefined ? "" : `until ${exact(expires_at)}`,
  ]
    .filter((part) => part !== "")
    .join(" ");
}

function limitsInWords({ rate, daily_quota, max_concurrent, max_uses }: Terms): string[] {
  const limits = [
    [rate?.per_second, "a second"],
    [rate?.per_minute, "a minute"],
    [daily_quota, "a day"],
    [max_concurrent, "at once"],
    [max_uses, "in all"],
  ] as const;
  const told = limits.flatMap(([count, of]) => (count === undefined ? [] : [`${count.toLocaleString()} ${of}`]));
  return told.length === 0 ? [] : [`At most ${listed(told)}.`];
}

/** Which calls somebody wants to say yes to first. */
export function askInWords({ ask }: Pick<Policy, "ask">): string[] {
  if (ask === undefined) return [];
  const { methods, paths } = ask;
  const which = [
    methods === undefined ? "" : ` with ${listed(methods, "or")}`,
    paths === undefined ? "" : ` on ${listed(paths, "or")}`,
  ].join("");
  return [`${which === "" ? "Every call" : `Calls${which}`} must have your yes first.`];
}

function budgetInWords({ spend }: Policy): string[] {
  const { usd_per_day, usd_per_month } = spend ?? {};
  const told = [
    ...(usd_per_day === undefined ? [] : [`${dollars(usd_per_day)} a day`]),
    ...(usd_per_month === undefined ? [] : [`${dollars(usd_per_month)} a month`]),
  ];
  return told.length === 0 ? [] : [`Calls to models may cost ${listed(told)}.`];
}

const DOLLARS = new Intl.NumberFormat(undefined, {
  style: "currency",
  currency: "USD",
  maximumFractionDigits: 4,
  minimumFractionDigits: 2,
});

/** An amount of money. */
export function dollars(amount: number): string {
  return DOLLARS.format(amount);
}

/** What to type into a terminal that has no command line yet: this locker serves its own. */
export function signInATerminal(): string {
  return `npm install --global ${location.origin}/apilocker.tgz\napilocker login --url ${location.origin}`;
}

/** How many of something there are. */
export function counted(count: number, one: string): string {
  return `${count.toLocaleString()} ${one}${count === 1 ? "" : "s"}`;
}
