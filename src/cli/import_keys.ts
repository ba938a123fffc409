import { readFile } from "node:fs/promises";
import type { Provider } from "./add_key.ts";
import { locker, type Locker } from "./client.ts";
import type { Common } from "./command.ts";
import { parseEnv } from "./env_file.ts";
import { providerOfVariable } from "./env_names.ts";
import { Failure, usage } from "./failure.ts";
import { askChoice, askSeveral, askText, mayAsk } from "./prompts.ts";
import { note, paint, plain, sayJson, table } from "./terminal.ts";

type ImportOptions = Common & {
  yes?: boolean;
  dryRun?: boolean;
  tag?: string[];
  only?: string[];
  overwrite?: boolean;
  revealable?: boolean;
};

/** A variable of the file, and what is to become of it. */
type Candidate = {
  name: string;
  value: string;
  provider: string | undefined;
  /** `empty`: nothing to store. `unknown`: nobody can say where it would go. `taken`: a key of that name is there. */
  status: "new" | "taken" | "unknown" | "empty";
};

type Result = { name: string; done: "stored" | "rotated" | "skipped" | "failed"; detail?: string };

/** How keys of some providers begin: for variables whose names say nothing. */
const BEGINNINGS: readonly (readonly [string, string])[] = [
  ["sk-ant-", "anthropic"],
  ["sk-or-", "openrouter"],
  ["sk-proj-", "openai"],
  ["gsk_", "groq"],
  ["xai-", "xai"],
  ["pplx-", "perplexity"],
  ["hf_", "huggingface"],
  ["r8_", "replicate"],
  ["AIza", "google-ai"],
  ["ghp_", "github"],
  ["github_pat_", "github"],
  ["sk_live_", "stripe"],
  ["sk_test_", "stripe"],
  ["rk_live_", "stripe"],
  ["xoxb-", "slack"],
  ["SG.", "sendgrid"],
  ["re_", "resend"],
  ["lin_api_", "linear"],
  ["sntrys_", "sentry"],
  ["ntn_", "notion"],
];

/** The provider that a variable most likely belongs to. */
export function guessProvider(name: string, value: string): string | undefined {
  return providerOfVariable(name) ?? BEGINNINGS.find(([beginning]) => value.startsWith(beginning))?.[1];
}

/** What the file holds, beside what there is. The last of two lines with one name counts, as it does for whoever reads the file. */
export function candidatesIn(text: string, taken: ReadonlySet<string>, known: ReadonlySet<string>): Candidate[] {
  const last = new Map(parseEnv(text).map(({ name, value }) => [name, value]));
  return [...last].map(([name, value]) => {
    const guess = guessProvider(name, value);
    const provider = guess !== undefined && known.has(guess) ? guess : undefined;
    return { name, value, provider, status: statusOf(name, value, provider, taken) };
  });
}

function statusOf(
  name: string,
  value: string,
  provider: string | undefined,
  taken: ReadonlySet<string>,
): Candidate["status"] {
  if (value === "") return "empty";
  if (taken.has(name)) return "taken";
  return provider === undefined ? "unknown" : "new";
}

/**
 * Stores what a `.env` file holds. The file is only read; a key that is there is never deleted, at most rotated, which can be
 * rolled back; each is stored by itself and what went wrong with one is said at the end.
 */
export async function importFile(file = ".env", options: ImportOptions): Promise<void> {
  const at = await locker(options);
  const text = await readFile(file, "utf8").catch((fault: NodeJS.ErrnoException) => {
    if (fault.code === "ENOENT") throw usage(`There is no file ${file} here.`, "Say which: apilocker import FILE");
    throw new Failure(`${file} cannot be read: ${fault.code ?? fault.message}.`);
  });
  const [keys, providers] = await Promise.all([at.list("GET /keys"), at.list("GET /providers")]);
  const known = new Map(
    providers
      .filter(({ base_url, placement }) => base_url !== undefined && placement.in !== "oauth")
      .map((one) => [one.id, one]),
  );
  const all = candidatesIn(text, new Set(keys.map(({ name }) => name)), new Set(known.keys()));
  const candidates = options.only === undefined ? all : all.filter(({ name }) => options.only?.includes(name));
  if (candidates.length === 0)
    throw new Failure(`${file} holds no variables${options.only === undefined ? "" : " of these names"}.`);
  if (options.json !== true)
    note(
      table(
        ["NAME", "PROVIDER", "WHAT"],
        candidates.map(preview),
        process.stderr.isTTY ? process.stderr.columns : undefined,
      ),
    );
  if (options.dryRun === true) {
    if (options.json === true) sayJson({ items: candidates.map(({ value: _secret, ...rest }) => rest) });
    return;
  }
  const chosen = options.yes === true ? candidates.filter((one) => isMeant(one, options)) : await choose(candidates);
  const results: Result[] = [];
  for (const candidate of candidates) {
    const done = chosen.includes(candidate)
      ? await store(at, candidate, options, known)
      : { name: candidate.name, done: "skipped" as const };
    results.push(done);
  }
  report(results, options.json === true);
}

function preview({ name, provider, status }: Candidate): string[] {
  const what = { new: "new", taken: "is there already", unknown: "no provider known", empty: "empty" }[status];
  return [name, provider ?? "", what];
}

function isMeant({ status }: Candidate, { overwrite = false }: ImportOptions): boolean {
  return status === "new" || (status === "taken" && overwrite);
}

async function choose(candidates: readonly Candidate[]): Promise<Candidate[]> {
  if (!mayAsk())
    throw new Failure("Nothing was stored: nobody can be asked.", { hint: "Say --yes to store all that is new." });
  const some = candidates.filter(({ status }) => status !== "empty");
  const names = await askSeveral(
    "Which are to be stored?",
    some.map((one) => ({
      value: one.name,
      label: plain(one.name),
      hint: preview(one).slice(1).filter(Boolean).join(", "),
    })),
    some.filter(({ status }) => status === "new").map(({ name }) => name),
  );
  return candidates.filter(({ name }) => names.includes(name));
}

async function store(
  at: Locker,
  candidate: Candidate,
  options: ImportOptions,
  known: ReadonlyMap<string, Provider>,
): Promise<Result> {
  const { name, value, status } = candidate;
  try {
    if (status === "taken") {
      const what = options.yes === true ? "rotate" : await askChoice(`${name} is there already.`, COLLISION);
      if (what === "skip") return { name, done: "skipped" };
      if (what === "rotate") {
        await at.call("POST /keys/{key}/rotate", { params: { key: name }, body: { secret: value } });
        return { name, done: "rotated" };
      }
      return await storeAs(
        at,
        await askText("Store it under which name?", { initialValue: `${name}_2` }),
        candidate,
        options,
        known,
      );
    }
    return await storeAs(at, name, candidate, options, known);
  } catch (refused) {
    if (refused instanceof Failure && refused.code !== "canceled")
      return { name, done: "failed", detail: refused.message };
    throw refused;
  }
}

const COLLISION = [
  { value: "skip", label: "leave it alone" },
  { value: "rotate", label: "give it the new secret", hint: "the old one can be rolled back to" },
  { value: "rename", label: "store the new one under another name" },
];

async function storeAs(
  at: Locker,
  name: string,
  { value, provider }: Candidate,
  options: ImportOptions,
  known: ReadonlyMap<string, Provider>,
): Promise<Result> {
  const where =
    provider === undefined || !known.has(provider)
      ? {
          provider: "custom",
          base_url: await askText(`Where does ${name} go?`, { placeholder: "https://api.example.com" }),
        }
      : { provider };
  await at.call("POST /keys", {
    body: { name, secret: value, tags: options.tag ?? [], revealable: options.revealable ?? false, ...where },
  });
  return { name, done: "stored" };
}

function report(results: readonly Result[], json: boolean): void {
  if (json) sayJson({ items: results });
  else {
    for (const { name, done, detail } of results)
      if (done !== "skipped")
        note(
          `${done === "failed" ? paint("failed", "red", process.stderr) : done}  ${plain(name)}${detail === undefined ? "" : `: ${detail}`}`,
        );
    const left = results.filter(({ done }) => done === "skipped").length;
    if (left > 0) note(`${left} left alone.`);
    note(
      "The file still holds the secrets; delete it once everything runs without it: apilocker run --proxy -- COMMAND",
    );
  }
  if (results.some(({ done }) => done === "failed")) process.exitCode = 1;
}
