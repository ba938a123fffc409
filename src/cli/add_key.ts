import type { Answer } from "./client.ts";
import { locker, type Locker } from "./client.ts";
import type { Common } from "./command.ts";
import { Failure, usage } from "./failure.ts";
import { firstSecret } from "./fields.ts";
import { askText, mayAsk } from "./prompts.ts";
import { note, paint, plain, sayJson } from "./terminal.ts";
import { moment } from "./times.ts";

export type AddOptions = Common & {
  provider?: string;
  baseUrl?: string;
  header?: string;
  query?: string;
  tag?: string[];
  note?: string;
  expires?: string;
  revealable?: boolean;
  scrub?: boolean;
};

export type Provider = Answer<"GET /providers">["items"][number];
type Placement = Provider["placement"];

/** Stores a key. What was not said is asked for; the secret is never an argument. */
export async function addKey(given: string | undefined, options: AddOptions): Promise<void> {
  const at = await locker(options);
  const name =
    given ?? (await askText("What is the key called?", { placeholder: "openai", say: "apilocker store NAME" }));
  const { provider, known } = await providerFor(at, name, options);
  const base_url = options.baseUrl ?? (known?.base_url === undefined ? await askBaseUrl(known) : undefined);
  const placement = placementIn(options);
  const secret = await firstSecret(name, placement ?? known?.placement ?? { in: "bearer" });
  const { tag: tags = [], note: text, revealable = false, scrub = false } = options;
  const expires_at = options.expires === undefined ? undefined : moment(options.expires);
  const key = await at
    .call("POST /keys", {
      body: { name, provider, ...secret, base_url, placement, tags, note: text, expires_at, revealable, scrub },
    })
    .catch((refused: unknown) => {
      throw refused instanceof Failure && refused.code === "conflict"
        ? new Failure(refused.message, {
            code: refused.code,
            hint: `To give it a new secret: apilocker rotate ${name}`,
          })
        : refused;
    });
  if (options.json === true) return sayJson(key);
  note(
    `${paint("Stored", "green", process.stderr)} ${plain(key.name)}; it goes to ${plain(key.base_url)} and nowhere else.`,
  );
  note(`Use it without seeing it: apilocker run --proxy --keys ${plain(key.name)} -- COMMAND`);
}

async function providerFor(
  at: Locker,
  name: string,
  options: AddOptions,
): Promise<{ provider: string; known?: Provider }> {
  const providers = await at.list("GET /providers");
  const find = (id: string) => providers.find((one) => one.id === id);
  const said = options.provider;
  if (said === "custom") return { provider: said };
  const known = find(said ?? name.split("@")[0] ?? name);
  if (known !== undefined) return { provider: known.id, known };
  if (said !== undefined)
    throw usage(
      `There is no provider ${said}.`,
      "See: apilocker providers. For any other: --provider custom --base-url https://…",
    );
  if (options.baseUrl !== undefined) return { provider: "custom" };
  if (!mayAsk())
    throw usage(
      `Which provider is ${name} for?`,
      "Say --provider ID, or --base-url https://… for one that is not listed.",
    );
  const answer = await askText("Which provider is it for? (an id of apilocker providers, or custom)", {
    placeholder: "custom",
  });
  return providerFor(at, name, { ...options, provider: answer || "custom" });
}

function askBaseUrl(known: Provider | undefined): Promise<string> {
  const placeholder = known?.base_url_hint ?? "https://api.example.com";
  return askText("Where is the API?", { placeholder, say: `--base-url ${placeholder}` });
}

function placementIn({ header, query }: AddOptions): Placement | undefined {
  if (header !== undefined && query !== undefined) throw usage("Say --header or --query, not both.");
  if (header !== undefined) return { in: "header", name: header };
  if (query !== undefined) return { in: "query", name: query };
  return undefined;
}
