import { headerValue, versionOf, type Message } from "./message.ts";

/** An argument that a tool wants repeated in a header, and where it stands among the arguments. */
type Repeated = { header: string; path: readonly string[] };

const ANNOTATION = "x-mcp-header";
/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const TYPES = new Set(["string", "integer", "boolean"]);
/** Keywords that hold schemas by name, and those that hold values, not schemas. */
const BY_NAME = new Set(["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"]);
const VALUES = new Set(["default", "const", "enum", "examples", ANNOTATION]);

/**
 * What a tool's input schema wants repeated in headers (2026-07-28, Streamable HTTP); undefined where it wants what the
 * specification forbids. Such a tool must not be used, and its neighbours must not suffer for it.
 */
function repeatedIn(schema: unknown): Repeated[] | undefined {
  const found: Repeated[] = [];
  const taken = new Set<string>();
  /** `path` is undefined below anything but a chain of properties: nobody could say which value is meant there. */
  const isSound = (node: unknown, path: readonly string[] | undefined): boolean => {
    if (typeof node !== "object" || node === null) return true;
    if (Array.isArray(node)) return node.every((one) => isSound(one, undefined));
    const fields = node as Record<string, unknown>;
    if (Object.hasOwn(fields, ANNOTATION)) {
      const header = fields[ANNOTATION];
      if (path === undefined || path.length === 0 || typeof header !== "string" || !TOKEN.test(header)) return false;
      if (!TYPES.has(String(fields.type)) || taken.has(header.toLowerCase())) return false;
      taken.add(header.toLowerCase());
      found.push({ header, path });
    }
    return Object.entries(fields).every(([keyword, value]) => {
      if (VALUES.has(keyword)) return true;
      if (!BY_NAME.has(keyword) || typeof value !== "object" || value === null) return isSound(value, undefined);
      const below = keyword === "properties" ? path : undefined;
      return Object.entries(value).every(([name, one]) => isSound(one, below && [...below, name]));
    });
  };
  return isSound(schema, []) ? found : undefined;
}

/** The headers for one call. What is absent, null or no plain value has none. */
function repeatedHeaders(wanted: readonly Repeated[], given: unknown): Record<string, string> {
  return Object.fromEntries(
    wanted.flatMap(({ header, path }) => {
      const value = path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], given);
      const plain = typeof value === "string" || typeof value === "boolean" || Number.isSafeInteger(value);
      return plain ? [[`mcp-param-${header}`, headerValue(String(value))]] : [];
    }),
  );
}

/** The tools that a server of today has listed, as far as calling them over HTTP wants to know them. */
export class Tools {
  readonly #repeated = new Map<string, Repeated[]>();
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  headersOf(message: Message): Record<string, string> {
    if (message.method !== "tools/call" || versionOf(message) === undefined) return {};
    return repeatedHeaders(this.#repeated.get(String(message.params?.name)) ?? [], message.params?.arguments);
  }

  /** A list of tools without those that must not be used; any other answer as it is. */
  listed(asked: Message, answer: Message): Message {
    const { tools } = (answer.result ?? {}) as { tools?: { name: string; inputSchema?: unknown }[] };
    if (asked.method !== "tools/list" || versionOf(asked) === undefined || !Array.isArray(tools)) return answer;
    const usable = tools.filter(({ name, inputSchema }) => {
      const wanted = repeatedIn(inputSchema);
      if (wanted === undefined) this.#log(`the tool ${JSON.stringify(name)} is left out: it asks for headers wrongly`);
      else this.#repeated.set(name, wanted);
      return wanted !== undefined;
    });
    return { ...answer, result: { ...(answer.result as object), tools: usable } };
  }
}
