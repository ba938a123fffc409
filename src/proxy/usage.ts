import { isObject } from "../json.ts";
import type { Usage } from "../vault/calls/prices.ts";
import type { Estimate } from "../vault/calls/spending.ts";

/**
 * What models' answers say of the tokens that they took, streamed or not, in the dialects of OpenAI, Anthropic, Google, Mistral,
 * Groq, OpenRouter and those that follow them. Nothing of an answer is kept but the counts.
 */

/** The longest request that is read for what it may come to. */
export const ESTIMATED_BYTES = 1024 * 1024;
/** The longest answer, or line of a streamed one, that is searched. */
const SEARCHED_BYTES = 8 * 1024 * 1024;
/** In so many pieces at most it waits for its line's end. */
const PIECES = 256;

/** What goes in is not all in the request: nobody can tell beforehand how much it is. */
const BY_REFERENCE =
  /"(image_url|input_image|input_file|input_audio|file_id|file_ids|file_data|fileData|file_uri|previous_response_id|conversation|container|mcp_servers|cachedContent|vector_store_ids|tools|source|background|prediction)"\s*:/;

/** How much a request wants at most, and how many answers, as the dialects call it. */
const OUTPUT_NAMES = ["max_completion_tokens", "max_output_tokens", "max_tokens", "maxOutputTokens"];
const ANSWERS_NAMES = ["n", "best_of", "candidateCount", "candidate_count"];

/** What a request may come to. A token is at least one byte, so its length bounds its input. */
export function estimateOf(body: string, length: number): Estimate {
  let asked: Record<string, unknown>;
  try {
    asked = record(JSON.parse(body));
  } catch {
    return { model: "", input: length, output: null };
  }
  const model = typeof asked.model === "string" ? asked.model.slice(0, 100) : "";
  // By several names a request may say several numbers: which of them this provider goes by is its affair.
  const said = [asked, record(asked.generation_config), record(asked.generationConfig)];
  const most = largest(said, OUTPUT_NAMES);
  const answers = largest(said, ANSWERS_NAMES) ?? 1;
  // An embedding has no output at all.
  const bounded =
    most === undefined && "input" in asked && !("instructions" in asked) && /embed/.test(model) ? 0 : most;
  // An escape in a name hides it from us, and from nobody else.
  const by_reference = BY_REFERENCE.test(body) || (body.includes("\\u") && BY_REFERENCE.test(JSON.stringify(asked)));
  const output = bounded === undefined || by_reference ? null : bounded * Math.max(1, answers);
  return { model, input: length, output };
}

/** Reads an answer as it passes by, and tells at the end what it said. */
export class UsageReader {
  readonly #decoder = new TextDecoder();
  readonly #model: string;
  readonly #streamed: boolean;
  #pieces: string[] = [];
  #length = 0;
  #too_long = false;
  #found: Partial<Usage> | undefined;
  bytes = 0;

  constructor(model: string, content_type: string) {
    this.#model = model;
    this.#streamed = /^(text\/event-stream|application\/(x-ndjson|jsonl?ines?|stream\+json))/i.test(content_type);
  }

  /** For an answer that cost nothing. */
  static ofNothing(model: string): UsageReader {
    const reader = new UsageReader(model, "");
    reader.#found = { input: 0, output: 0 };
    return reader;
  }

  take(chunk: Uint8Array): void {
    this.bytes += chunk.byteLength;
    const text = this.#decoder.decode(chunk, { stream: true });
    // Only in what is new: a byte at a time, a long line would be dear to search again and again.
    const end = this.#streamed ? text.lastIndexOf("\n") : -1;
    if (end >= 0) for (const line of (this.#taken() + text.slice(0, end)).split("\n")) this.#line(line);
    this.#length += text.length - (end + 1);
    this.#pieces.push(text.slice(end + 1));
    if (this.#pieces.length > PIECES) this.#pieces = [this.#pieces.join("")];
    if (this.#length <= SEARCHED_BYTES) return;
    this.#too_long = true;
    this.#taken();
  }

  /** What has come since the last line that was read. */
  #taken(): string {
    const text = this.#pieces.join("");
    [this.#pieces, this.#length] = [[], 0];
    return text;
  }

  /** The counts, where the answer said them. */
  total(): Usage | undefined {
    const text = this.#taken();
    if (this.#streamed) this.#line(text);
    else if (!this.#too_long) this.#json(text);
    const found = this.#found;
    if (found?.usd === undefined && (found?.input === undefined || found.output === undefined)) return undefined;
    const { model = this.#model, input = 0, output = 0, cached_input = 0, cache_write = 0, usd } = found;
    return { model: model === "" ? this.#model : model, input, output, cached_input, cache_write, usd };
  }

  #line(line: string): void {
    const data = line.startsWith("data:") ? line.slice(5) : line;
    if (/"usage|usageMetadata"/.test(data)) this.#json(data);
  }

  #json(text: string): void {
    let said: unknown;
    try {
      said = JSON.parse(text);
    } catch {
      return;
    }
    for (const each of Array.isArray(said) ? said : [said]) this.#read(record(each));
  }

  /** The usage stands at the top, in the `message` that begins (Anthropic), or in the `response` that ends (OpenAI). */
  #read(said: Record<string, unknown>): void {
    for (const at of [said, record(said.message), record(said.response), record(said.x_groq)]) {
      const model = at.model ?? at.modelVersion;
      if (typeof model === "string") this.#found = { ...this.#found, model: model.slice(0, 100) };
      const usage = record(at.usage ?? at.usageMetadata);
      if (Object.keys(usage).length > 0) this.#merge(countsOf(usage));
    }
  }

  /** Streams tell what there is so far: the last, which is the most, counts. */
  #merge(counts: Partial<Usage>): void {
    const before = this.#found ?? {};
    const most = (name: "input" | "output" | "cached_input" | "cache_write" | "usd") => {
      const all = [before[name], counts[name]].filter((count) => count !== undefined);
      return all.length === 0 ? {} : { [name]: Math.max(...all) };
    };
    this.#found = {
      ...before,
      ...most("input"),
      ...most("output"),
      ...most("cached_input"),
      ...most("cache_write"),
      ...most("usd"),
    };
  }
}

function countsOf(usage: Record<string, unknown>): Partial<Usage> {
  const details = record(usage.prompt_tokens_details ?? usage.input_tokens_details);
  const read = number(usage.cache_read_input_tokens);
  const written = number(usage.cache_creation_input_tokens);
  const google = [usage.candidatesTokenCount, usage.thoughtsTokenCount].map(number).filter((n) => n !== undefined);
  const plain = number(usage.prompt_tokens ?? usage.input_tokens ?? usage.promptTokenCount);
  // Google counts what its own tools were answered beside the prompt.
  const by_tools = number(usage.toolUsePromptTokenCount) ?? 0;
  const summed = google.length === 0 ? undefined : google.reduce((sum, n) => sum + n, 0);
  const output = number(usage.completion_tokens ?? usage.output_tokens) ?? summed;
  // Anthropic counts what its cache took beside the input, all others within it.
  const beside = (read ?? 0) + (written ?? 0);
  const embedding = plain !== undefined && output === undefined && "total_tokens" in usage ? { output: 0 } : {};
  return clean({
    input: plain === undefined ? undefined : plain + beside + by_tools,
    output,
    ...embedding,
    cached_input:
      read ?? number(details.cached_tokens ?? usage.cachedContentTokenCount ?? usage.prompt_cache_hit_tokens),
    cache_write: written,
    usd: number(usage.cost),
  });
}

function clean(counts: Record<string, number | undefined>): Partial<Usage> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== undefined));
}

function record(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}

/** The largest number that is said by any of these names. */
function largest(said: readonly Record<string, unknown>[], names: readonly string[]): number | undefined {
  const given = said.flatMap((one) => names.map((name) => number(one[name]) ?? -1));
  const most = Math.max(...given);
  return most < 0 ? undefined : most;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** The body as it is, with somebody looking on: each chunk goes on before it is looked at. */
export function watched(
  body: ReadableStream<Uint8Array>,
  look: (chunk: Uint8Array) => void,
): ReadableStream<Uint8Array> {
  const source = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await source.read();
      if (done) return controller.close();
      controller.enqueue(value);
      look(value);
    },
    cancel: (reason) => source.cancel(reason),
  });
}
